package deploy

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/owners"
	"github.com/mantledeploy/mantle/agent/internal/regular"
	"github.com/mantledeploy/mantle/agent/internal/sorted"
	"github.com/mantledeploy/mantle/api/step"
)

const (
	contentsFolder = "Files/mantle"
	// verifiedFile lies beside a content that was read to its end and had its digest.
	verifiedFile = "verified.json"
	maxSmall     = 16 << 10
	maxListed    = 20_000
)

// verified says which file of a content's folder was found complete.
type verified struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
}

func openContent(home *os.Root, c step.Content) (*os.File, error) {
	f, err := regular.Open(home, c.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Error{step.ReasonContentMissing, fmt.Errorf("the content %s is not on this machine", c.SHA256)}
	}
	if err != nil {
		return nil, fmt.Errorf("opening the content: %w", err)
	}
	info, err := f.Stat()
	if err == nil && c.Size > 0 && info.Size() != c.Size {
		err = &Error{step.ReasonContentCorrupt, fmt.Errorf("the content has %d bytes, not %d", info.Size(), c.Size)}
		err = errors.Join(err, forget(home, c))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// remember notes that a content is complete, so that an inventory can tell of it.
func remember(home *os.Root, c step.Content, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("looking at the content: %w", err)
	}
	data, err := json.Marshal(verified{path.Base(c.Path), info.Size()})
	if err != nil {
		return fmt.Errorf("encoding the note of a content: %w", err)
	}
	if err := writeNew(home, path.Join(path.Dir(c.Path), verifiedFile), data); err != nil {
		return fmt.Errorf("noting that the content is complete: %w", err)
	}
	return nil
}

// writeNew writes a file in the place of what has its name, which may be a pipe that nobody reads.
func writeNew(home *os.Root, name string, data []byte) error {
	if err := home.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := home.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// forget removes a content that is not what its name says, so that it can be sent again.
func forget(home *os.Root, c step.Content) error {
	err := home.Remove(path.Join(path.Dir(c.Path), verifiedFile))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, home.Remove(c.Path))
}

// Contents are the digests of the complete contents in a home, the newest first, at most
// step.MaxContents. A content is complete when an installation has read it to its end. Those that the operator has not
// sent are left out, unless operator is empty.
func Contents(home, operator string) ([]string, error) {
	root, err := os.OpenRoot(home)
	if err != nil {
		return nil, fmt.Errorf("opening the home: %w", err)
	}
	defer root.Close()
	d, err := root.Open(contentsFolder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening the contents: %w", err)
	}
	defer d.Close()
	names, err := d.Readdirnames(maxListed)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("listing the contents: %w", err)
	}
	type held struct {
		sum string
		at  time.Time
	}
	var all []held
	for _, name := range names {
		if at, ok := complete(root, name); ok && owned(root, name, operator) {
			all = append(all, held{name, at})
		}
	}
	sorted.By(all, func(a, b held) int { return cmp.Or(b.at.Compare(a.at), cmp.Compare(a.sum, b.sum)) })
	sums := make([]string, 0, min(len(all), step.MaxContents))
	for _, h := range all[:min(len(all), step.MaxContents)] {
		sums = append(sums, h.sum)
	}
	return sums, nil
}

// owned tells whether an operator has sent the content of that name.
func owned(home *os.Root, name, operator string) bool {
	if operator == "" {
		return true
	}
	_, err := home.Lstat(path.Join(contentsFolder, name, owners.File(operator)))
	return err == nil
}

// complete tells whether a folder of contents is what its name says, and since when.
func complete(home *os.Root, name string) (time.Time, bool) {
	if !step.IsSHA256(name) {
		return time.Time{}, false
	}
	data, err := readSmall(home, path.Join(contentsFolder, name, verifiedFile))
	var v verified
	if err != nil || json.Unmarshal(data, &v) != nil {
		return time.Time{}, false
	}
	known := v.Name == "content."+step.FormatTarGz || v.Name == "content."+step.FormatTar || v.Name == "content."+step.FormatZip
	if !known {
		return time.Time{}, false
	}
	info, err := home.Lstat(path.Join(contentsFolder, name, v.Name))
	if err != nil || !info.Mode().IsRegular() || info.Size() != v.Size {
		return time.Time{}, false
	}
	return info.ModTime(), true
}

// readSmall reads a file of at most maxSmall bytes.
func readSmall(root *os.Root, name string) ([]byte, error) {
	f, err := regular.Open(root, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSmall+1))
	if err == nil && len(data) > maxSmall {
		err = fmt.Errorf("%s is too long", name)
	}
	return data, err
}

func randomName() string { return rand.Text()[:12] }
