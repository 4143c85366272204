package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/mantledeploy/mantle/agent/internal/regular"
	"github.com/mantledeploy/mantle/api/step"
)

// claimFile is made, once, by the engine that carries a folder's step out.
const claimFile = "claimed"

// claim makes the folder this process's own before anything is done: durably, so that it is not begun again after the
// machine has lost its power.
func claim(folder string) error {
	f, err := os.OpenFile(filepath.Join(folder, claimFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return errClaimed
	}
	if err != nil {
		return fmt.Errorf("claiming the step: %w", err)
	}
	_, err = f.WriteString(strconv.Itoa(os.Getpid()) + "\n")
	if err := errors.Join(err, f.Sync(), syncFolder(folder), f.Close()); err != nil {
		return fmt.Errorf("claiming the step: %w", err)
	}
	return nil
}

// takeSecrets reads the secrets' file and unlinks it. Without a file it returns nil.
func takeSecrets(path string) ([]byte, error) {
	data, err := regular.ReadWhole(path, step.MaxSecretsSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err := errors.Join(err, os.Remove(path)); err != nil {
		return nil, fmt.Errorf("taking the secrets: %w", err)
	}
	return data, nil
}
