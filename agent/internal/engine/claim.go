package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/mantledeploy/mantle/api/step"
)

// claimFile is made, once, by the engine that carries a folder's step out.
const claimFile = "claimed"

// claim makes the folder this process's own, on the disk, before anything is done.
func claim(folder string) error {
	f, err := os.OpenFile(filepath.Join(folder, claimFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return errClaimed
	}
	if err != nil {
		return fmt.Errorf("claiming the step: %w", err)
	}
	_, err = f.WriteString(strconv.Itoa(os.Getpid()) + "\n")
	if err := errors.Join(err, f.Sync(), f.Close(), syncFolder(folder)); err != nil {
		return fmt.Errorf("claiming the step: %w", err)
	}
	return nil
}

// takeSecrets reads the secrets and unlinks their file. Without a file there are none.
func takeSecrets(path string) ([]string, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the secrets: %w", err), os.Remove(path))
	}
	secrets, err := step.DecodeSecrets(f)
	if err := errors.Join(err, f.Close(), os.Remove(path)); err != nil {
		return nil, fmt.Errorf("taking the secrets: %w", err)
	}
	return secrets, nil
}
