package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mantledeploy/mantle/agent/internal/home"
)

// takeUp makes sure that the open file is the one that is there, and that l.last is its end. What does not fit is
// said in the log. Who calls it is exclusive.
func (l *Log) takeUp() error {
	path := filepath.Join(l.dir, currentFile)
	there, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("looking at the audit log: %w", err)
	}
	if l.isOpen(there) {
		if there.Size() == l.size {
			return nil
		}
		return l.reconcile()
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := home.Adopt(f); err != nil {
		return errors.Join(err, f.Close())
	}
	if l.file != nil {
		l.stale = append(l.stale, l.file)
	}
	l.file = f
	if there == nil {
		if err := home.SyncFolder(l.dir); err != nil {
			return err
		}
	}
	return l.reconcile()
}

// isOpen tells whether the open file is the one that is there.
func (l *Log) isOpen(there os.FileInfo) bool {
	if l.file == nil || there == nil {
		return false
	}
	mine, err := l.file.Stat()
	return err == nil && os.SameFile(mine, there)
}

// reconcile compares the file with what is known of the chain, and writes down what does not fit.
func (l *Log) reconcile() error {
	expected := l.last
	t, err := findTail(l.file, expected)
	if err != nil {
		return err
	}
	l.size = t.size
	if t.last.Count == 0 { // a file of its own has no line yet
		if t.last, err = lastOfOld(l.dir); err != nil {
			return err
		}
		t.met = t.last == expected
	}
	l.last = t.last
	if err := l.mend(t); err != nil {
		return err
	}
	t.met = t.met || l.last == expected
	if !t.met && l.last.Count > expected.Count {
		if t.met, err = holds(l.dir, expected); err != nil {
			return err
		}
	}
	if t.met || expected.Count == 0 {
		return nil
	}
	return l.gap("the log had come to " + expected.String() + ", and that line is missing or another one")
}

// gap notes that lines are missing, or may be, and begins anew from what is there.
func (l *Log) gap(reason string) error {
	l.logger.Error("the audit log is not as it was left", "reason", reason)
	err := l.put(nil, Entry{What: Gap, Reason: reason})
	if err == nil {
		err = errors.Join(l.file.Sync(), resetHead(l.dir, l.last))
	}
	if err != nil {
		return err
	}
	l.synced = l.last
	return nil
}

// mend ends a last line that is whole but for its end, and explains what else is torn.
func (l *Log) mend(t tail) error {
	switch {
	case t.rest != nil && t.rest.before() == t.last:
		n, err := l.file.WriteString("\n")
		if err != nil {
			l.size = -1
			return err
		}
		l.size += int64(n)
		l.last = t.restHead
	case t.torn > 0:
		before, e := t.mark()
		return l.put(before, e)
	}
	return nil
}
