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
	files, last, full := l.unsynced(number)
	if len(files) == 0 {
		return nil
	}
	err := files[0].Sync()
	for _, stale := range files[1:] {
		err = errors.Join(err, stale.Sync(), stale.Close())
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

// unsynced gives the file to sync, and behind it those that somebody replaced, which are to be closed too; how far
// the chain goes by then; and whether the file is full. No file means that there is nothing to do.
func (l *Log) unsynced(number int64) (files []*os.File, last Head, full bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	if l.closed || l.file == nil || l.synced == l.last || number > 0 && l.synced.Count >= number {
		return nil, Head{}, false
	}
	files = append([]*os.File{l.file}, l.stale...)
	l.stale = nil
	return files, l.last, l.size >= l.maxSize
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
