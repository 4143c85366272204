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
	file, err := StageState(dir, name, value)
	if err != nil {
		return err
	}
	if durable {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", name, errors.Join(err, os.Remove(file.Name())))
	}
	if durable {
		return CommitState(dir, name)
	}
	return os.Rename(staged(dir, name), filepath.Join(dir, name))
}

// StageState writes what will be a state file once CommitState gives it its name, and leaves it open. The caller
// syncs and closes it before that, perhaps together with others.
func StageState(dir, name string, value any) (*os.File, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("writing %s: %w", name, err)
	}
	file, err := writeNew(staged(dir, name), os.O_TRUNC, append(data, '\n'))
	if err != nil {
		return nil, fmt.Errorf("writing %s: %w", name, errors.Join(err, os.RemoveAll(staged(dir, name))))
	}
	return file, nil
}

func staged(dir, name string) string { return filepath.Join(dir, "."+name+".new") }

// CommitState gives a staged state file its name, durably.
func CommitState(dir, name string) error {
	err := os.Rename(staged(dir, name), filepath.Join(dir, name))
	if err == nil {
		err = SyncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}
