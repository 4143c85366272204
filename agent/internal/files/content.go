package files

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/mantledeploy/mantle/agent/internal/owners"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
)

// maxBeside bounds how many files beside a content are looked at.
const maxBeside = 10_000

// isContent tells whether parts lead to the content of a package, however that was spelled. It belongs to the operators that
// have sent it.
func isContent(parts []string) bool {
	const folder = "Files/mantle/"
	rest, found := strings.CutPrefix(strings.ToLower(path.Join(parts...)), strings.ToLower(folder))
	return found && step.IsContentPath(folder+rest)
}

// operatorOf is who calls; empty if nobody does.
func operatorOf(ctx context.Context) string {
	p, ok := halibut.PeerFrom(ctx)
	if !ok || p.Certificate == nil {
		return ""
	}
	return string(halibut.SHA256Thumbprint(p.Certificate))
}

// own notes that an operator has sent the content at p, which lies under another name still. Those who sent other bytes under
// the name of the same digest have it no longer, as theirs are about to be replaced.
func own(p *place, temp, operator string) error {
	same, err := sameContent(p.folder, temp, p.name)
	if err == nil && !same {
		err = disown(p.folder)
	}
	if err != nil {
		return err
	}
	f, err := p.folder.OpenFile(owners.File(operator), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// disown removes the files that say whose a content is.
func disown(folder *os.Root) error {
	d, err := folder.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	names, err := d.Readdirnames(maxBeside)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for _, name := range names {
		if !owners.IsFile(name) {
			continue
		}
		if err := folder.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// sameContent tells whether two files of a folder have the same bytes.
func sameContent(folder *os.Root, a, b string) (bool, error) {
	var files [2]*bufio.Reader
	var sizes [2]int64
	for i, name := range []string{a, b} {
		f, err := folder.OpenFile(name, os.O_RDONLY|openFlags, 0)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil || !info.Mode().IsRegular() {
			return false, err
		}
		files[i], sizes[i] = bufio.NewReader(f), info.Size()
	}
	if sizes[0] != sizes[1] {
		return false, nil
	}
	var chunks [2][4096]byte
	for {
		n, err := io.ReadFull(files[0], chunks[0][:])
		m, again := io.ReadFull(files[1], chunks[1][:])
		switch {
		case n != m || !bytes.Equal(chunks[0][:n], chunks[1][:m]):
			return false, nil
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return true, nil
		case err != nil || again != nil:
			return false, errors.Join(err, again)
		}
	}
}

// owns tells whether the content at p was sent by an operator.
func owns(p *place, operator string) bool {
	_, err := p.folder.Lstat(owners.File(operator))
	return err == nil
}
