package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// readyFile is the file in the folder that holds the path of the kubeconfig once the API answers.
const readyFile = "ready"

// marker is the file by which a folder is known as one of ours, so that nothing else is ever used or removed. It holds
// wholeFolder where the folder itself was made by us.
const (
	marker      = ".mantle-controlplane"
	wholeFolder = "made\n"
)

// folder is where a control plane keeps everything: data, keys, socket, log.
type folder struct {
	path string
	made bool // the folder itself is ours, not only what is in it
	keep bool
}

// openFolder prepares the folder at path, or a new temporary one when path is empty. A folder that has something in it
// is refused unless an earlier control plane left it.
func openFolder(path string, keep bool) (*folder, error) {
	if path == "" {
		tmp, err := os.MkdirTemp("", "controlplane-")
		if err != nil {
			return nil, fmt.Errorf("making a temporary folder: %w", err)
		}
		return mark(&folder{path: tmp, made: true, keep: keep})
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("resolving --dir: %w", err)
	}
	f := &folder{path: path, keep: keep}
	entries, err := os.ReadDir(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		f.made = true
	case err != nil:
		return nil, fmt.Errorf("reading --dir: %w", err)
	case len(entries) > 0:
		left, err := os.ReadFile(filepath.Join(path, marker))
		if err != nil {
			return nil, fmt.Errorf("%s is not empty and not left by a control plane: name another --dir", path)
		}
		f.made = string(left) == wholeFolder
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("making --dir: %w", err)
	}
	return mark(f)
}

// mark makes the folder known as ours and not yet ready.
func mark(f *folder) (*folder, error) {
	if err := os.RemoveAll(filepath.Join(f.path, readyFile)); err != nil {
		return nil, fmt.Errorf("removing an earlier announcement: %w", err)
	}
	content := ""
	if f.made {
		content = wholeFolder
	}
	if err := writeFile(filepath.Join(f.path, marker), []byte(content)); err != nil {
		return nil, fmt.Errorf("marking the folder: %w", err)
	}
	return f, nil
}

// close removes what the control plane wrote, unless it is to be kept. A folder that was there before stays, empty.
func (f *folder) close() error {
	if f.keep {
		return os.RemoveAll(filepath.Join(f.path, readyFile))
	}
	if f.made {
		return os.RemoveAll(f.path)
	}
	entries, err := os.ReadDir(f.path)
	if err != nil {
		return fmt.Errorf("cleaning up: %w", err)
	}
	var errs []error
	for _, e := range entries {
		errs = append(errs, os.RemoveAll(filepath.Join(f.path, e.Name())))
	}
	return errors.Join(errs...)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// writeFile writes a file for the owner's eyes only, so that it is there in whole or not at all.
func writeFile(path string, data []byte) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
