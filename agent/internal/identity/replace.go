package identity

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/home"
)

// maxState bounds what is kept of a former identity, whatever lies in its files.
const maxState = 64 << 10

// Replace gives h the identity p. Call it inside home.Home.Change. aside is the file in which the former
// identity is kept; empty where there was none, or where it was p already.
func Replace(h home.Home, p Pair) (aside string, err error) {
	certificate, key, err := p.PEM()
	if err != nil {
		return "", err
	}
	former, same, err := read(h, certificate, key)
	if err != nil || same {
		return "", err
	}
	if len(former) > 0 {
		if aside, err = keep(h, former); err != nil {
			return "", err
		}
	}
	if err := home.WriteFile(h.Key(), key); err != nil {
		return aside, err
	}
	return aside, home.WriteFile(h.Certificate(), certificate)
}

// read returns what there is of an identity in h, usable or not, and whether it is the given one.
func read(h home.Home, certificate, key []byte) (former []byte, same bool, err error) {
	var files [2][]byte
	for i, path := range []string{h.Certificate(), h.Key()} {
		files[i], err = home.ReadFile(path, maxState)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, false, err
		}
	}
	return bytes.Join(files[:], nil), bytes.Equal(files[0], certificate) && bytes.Equal(files[1], key), nil
}

// keep writes a former identity under a name of its own, which is there before the new one is.
func keep(h home.Home, former []byte) (string, error) {
	dir := h.State("identities")
	if err := makeFolder(dir); err != nil {
		return "", fmt.Errorf("making the folder of former identities: %w", err)
	}
	stamp := time.Now().UTC().Format("20060102T150405.000000000Z")
	path := filepath.Join(dir, stamp+".pem")
	return path, home.WriteFile(path, former)
}

// makeFolder makes a folder that belongs to the owner of the one it is in, and is no link to elsewhere: root must
// not be led to write where another user wants it to.
func makeFolder(dir string) error {
	err := home.AsOwner(filepath.Dir(dir), func() error { return os.Mkdir(dir, 0o700) })
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a folder; move it away", dir)
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(home.Adopt(f), f.Close())
}
