package journal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/regular"
)

const (
	// keyName is the file of the key in the state folder, where no script can read it and try secrets by it.
	keyName = "journal.key"
	// keyFile is the file of the key beside the journal, where there is no state folder to be had. Earlier versions kept it there
	// always. No namespace can have its name.
	keyFile = ".key"
	keySize = 32
)

// Key is the machine's key, which is made at its first use and never leaves the machine. With another
// key every package counts as not installed, and nothing worse.
func (j *Journal) Key() ([]byte, error) {
	key, err := j.key()
	if err != nil {
		return nil, fmt.Errorf("getting the machine's key: %w", err)
	}
	return key, nil
}

func (j *Journal) key() (key []byte, err error) {
	turn, err := j.takeTurn(true)
	if err != nil {
		return nil, err
	}
	if turn == nil {
		err = j.locked(true, func(*os.File) error {
			key, err = j.keyBeside()
			return err
		})
		return key, err
	}
	defer turn.Close()
	path := filepath.Join(filepath.Dir(j.turn), keyName)
	if key, err = readKey(path); key != nil || err != nil {
		return key, err
	}
	beside := filepath.Join(j.folder, keyFile)
	_ = j.as(func() error { // of an earlier version; one that cannot be read is no worse than none
		key, err = readKey(beside)
		return err
	})
	if key == nil {
		key = newKey()
	}
	if err := home.WriteFile(path, key); err != nil {
		return nil, err
	}
	_ = j.as(func() error { return os.Remove(beside) })
	return key, nil
}

// readKey reads a key; it is nil if there is none.
func readKey(path string) ([]byte, error) {
	key, _, err := regular.ReadFile(path, keySize+1)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(key) != keySize {
		return nil, nil //nolint:nilnil // none is an answer here, not an error
	}
	return key, err
}

func newKey() []byte {
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // It never fails.
	return key
}

// keyBeside is the key beside the journal. The caller has the lock.
func (j *Journal) keyBeside() ([]byte, error) {
	key, err := readKey(filepath.Join(j.folder, keyFile))
	if key != nil || err != nil {
		return key, err
	}
	key = newKey()
	return key, j.writeKey(key)
}

// writeKey puts the key into place whole or not at all. The caller has the lock.
func (j *Journal) writeKey(key []byte) error {
	temporary := filepath.Join(j.folder, keyFile+".new")
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(key)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(temporary, filepath.Join(j.folder, keyFile))
}
