package journal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mantledeploy/mantle/agent/internal/regular"
)

// keyFile holds 32 random bytes. No namespace can have its name.
const keyFile = ".key"

// Key is the machine's key, which is made at its first use and never leaves the machine. With another
// key every package counts as not installed, and nothing worse.
func (j *Journal) Key() ([]byte, error) {
	var key []byte
	err := j.locked(true, func(*os.File) error {
		var err error
		key, _, err = regular.ReadFile(filepath.Join(j.folder, keyFile), 33)
		if err == nil && len(key) == 32 {
			return nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		key = make([]byte, 32)
		_, _ = rand.Read(key) // It never fails.
		return j.writeKey(key)
	})
	if err != nil {
		return nil, fmt.Errorf("getting the machine's key: %w", err)
	}
	return key, nil
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
