package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mantledeploy/mantle/agent/internal/home"
)

// flush syncs all lines that are written, unless another did so up to number since; then the head may name
// them. A full file is changed for a new one afterwards.
func (l *Log) flush(number int64) error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	l.mu.Lock()
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	if l.closed || l.file == nil || l.synced == l.last || number > 0 && l.synced.Count >= number {
		l.mu.Unlock()
		return nil
	}
	file, last, full := l.file, l.last, l.size >= l.maxSize
	stale := l.stale
	l.stale = nil
	l.mu.Unlock()
	err := file.Sync()
	for _, f := range stale {
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err != nil {
		return fmt.Errorf("syncing it: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	err = l.exclusive(func() error {
		if known, err := readHead(l.dir); err == nil && known.Count > last.Count {
			return nil // another process was here
		}
		return writeHead(l.dir, last)
	})
	if err != nil {
		return err
	}
	l.synced = last
	if full {
		if err := l.exclusive(l.rotate); err != nil {
			l.logger.Error("beginning a new file of the audit log; the full one goes on", "error", err)
		}
	}
	return nil
}

// rotate puts the full file aside and begins a new one. Who calls it holds syncing and mu and is exclusive.
func (l *Log) rotate() error {
	if err := l.takeUp(); err != nil {
		return err
	}
	if l.size < l.maxSize {
		return nil // another process was here
	}
	path := filepath.Join(l.dir, currentFile)
	first, err := firstLine(path)
	if err != nil {
		return err
	}
	err = errors.Join(l.file.Sync(), l.file.Close()) // some systems do not rename what is open
	l.file = nil
	if err == nil {
		err = os.Rename(path, filepath.Join(l.dir, oldName(first.Number)))
	}
	if err = errors.Join(err, l.takeUp()); err != nil {
		return err
	}
	if err := l.put(nil, Entry{What: Opened, Head: l.last.String()}); err != nil {
		return err
	}
	gone, err := l.announce()
	if err != nil {
		return err
	}
	if err := errors.Join(l.file.Sync(), home.SyncFolder(l.dir), writeHead(l.dir, l.last)); err != nil {
		return err
	}
	l.synced = l.last
	for _, name := range gone {
		err = errors.Join(err, os.Remove(filepath.Join(l.dir, name)))
	}
	return err
}

// announce writes a line for each file that is to be deleted, and returns their names.
func (l *Log) announce() (gone []string, err error) {
	names, err := list(l.dir)
	if err != nil {
		return nil, err
	}
	for i := 0; i+1+l.keep < len(names); i++ { // the last is the one that is written
		next, err := firstLine(filepath.Join(l.dir, names[i+1]))
		if err != nil {
			return gone, err
		}
		e := Entry{What: Removed, Path: names[i], Head: next.before().String(), Reason: "the lines up to this head are old, and deleted"}
		if err := l.put(nil, e); err != nil {
			return gone, err
		}
		gone = append(gone, names[i])
	}
	return gone, nil
}
