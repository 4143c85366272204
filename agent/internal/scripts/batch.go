package scripts

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"

	"github.com/mantledeploy/mantle/agent/internal/account"
	"github.com/mantledeploy/mantle/agent/internal/process"
)

// maxOpen is how many files a batch holds open, so that a start takes so many of the daemon's descriptors only. The
// files of most starts are fewer.
const maxOpen = 64

// batch writes new files and syncs them together, as syncs that run at the same time cost little more than
// one.
type batch struct {
	account *account.Account // of scripts
	files   []*os.File
	dirs    map[string]*account.Account // and who may open them; nil for the daemon
}

// add takes a file that was written, or fails with the error of doing so.
func (b *batch) add(file *os.File, err error) error {
	if err == nil {
		b.files = append(b.files, file)
	}
	return err
}

func (b *batch) dir(name string) { b.addDir(name, nil) }

// workDir is dir for a folder of scripts.
func (b *batch) workDir(name string) { b.addDir(name, b.account) }

func (b *batch) addDir(name string, who *account.Account) {
	if b.dirs == nil {
		b.dirs = map[string]*account.Account{}
	}
	b.dirs[name] = who
}

// folders makes the folders of a relative slash path below root.
func (b *batch) folders(root, name string) error {
	dir := filepath.Join(root, filepath.FromSlash(name))
	if _, made := b.dirs[dir]; made || name == "." {
		return nil
	}
	if err := b.folders(root, path.Dir(name)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return folderError(name, err)
	}
	b.workDir(dir)
	return nil
}

// workFile writes a file of the script's folder. Its content may come from where only the daemon may read, so
// it was opened before.
func (b *batch) workFile(name string, content io.Reader) error {
	return account.As(b.account, func() error { return b.file(name, 0o600, content) })
}

func (b *batch) file(name string, mode fs.FileMode, content io.Reader) error {
	if len(b.files) == maxOpen {
		if err := atOnce(b.taken()); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode) // #nosec G304 -- confined by fileNames, in a folder made by prepare
	if err != nil {
		return folderError(filepath.Base(name), err)
	}
	b.files = append(b.files, f)
	_, err = io.Copy(f, content)
	return err
}

// folderError tells a name that is both a file and a folder from a disk that fails.
func folderError(name string, err error) error {
	if errors.Is(err, fs.ErrExist) || isNotFolder(err) {
		return badName(name, "the name is taken")
	}
	return err
}

// sync makes all durable and closes the files.
func (b *batch) sync() error {
	tasks := b.taken()
	for name, who := range b.dirs {
		tasks = append(tasks, func() error { return account.As(who, func() error { return process.SyncDir(name) }) })
	}
	return atOnce(tasks)
}

// taken takes the open files from the batch and returns what makes each durable and closes it.
func (b *batch) taken() []func() error {
	tasks := make([]func() error, len(b.files), len(b.files)+len(b.dirs))
	for i, f := range b.files {
		tasks[i] = func() error { return errors.Join(f.Sync(), f.Close()) }
	}
	b.files = nil
	return tasks
}

// maxSyncs is how many syncs of all batches are under way at once. Each holds a thread of the system for as long as the disk
// takes, and a disk that stands still for a second must not make the daemon start more of them than it may have.
const maxSyncs = 32

// syncing has an element for each sync that is under way.
var syncing = make(chan struct{}, maxSyncs) //nolint:gochecknoglobals // the bound is that of the process

// atOnce does all tasks, as many at the same time as the process may.
func atOnce(tasks []func() error) error {
	errs := make([]error, len(tasks))
	var all sync.WaitGroup
	for i, task := range tasks {
		syncing <- struct{}{}
		all.Go(func() {
			defer func() { <-syncing }()
			errs[i] = task()
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
