package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// maxStateFile bounds what is read of a state file. The longest has a script's arguments, which may take six times their
// bytes there.
const maxStateFile = 1 << 20

// ReadState reads a state file into target. found is false where there is none, or no whole one: a power
// cut may leave such a file where it was not synced. It fails with ErrNewer where the file is of another
// shape and says that it is newer.
func ReadState(dir, name string, target any) (found bool, err error) {
	path := filepath.Join(dir, name)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil && info.Size() > maxStateFile {
		err = fmt.Errorf("%d bytes are too many", info.Size())
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(path) // #nosec G304 -- a file of the ticket's own folder
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading %s: %w", name, err)
	}
	if json.Unmarshal(data, target) == nil {
		return true, nil
	}
	var only struct {
		Version int `json:"version"`
	}
	if json.Unmarshal(data, &only) == nil && only.Version > Version {
		return false, fmt.Errorf("reading %s: %w", name, ErrNewer)
	}
	return name == StartedFile, nil // whoever made it decided, even if they came no further
}

// WriteState writes a state file by rename; durable syncs it and its folder.
func WriteState(dir, name string, value any, durable bool) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	staged := filepath.Join(dir, "."+name+".new")
	file, err := writeNew(staged, os.O_TRUNC, append(data, '\n'))
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, errors.Join(err, os.RemoveAll(staged)))
	}
	if durable {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", name, errors.Join(err, os.Remove(staged)))
	}
	if err = os.Rename(staged, filepath.Join(dir, name)); err == nil && durable {
		err = SyncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}
