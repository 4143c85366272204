package files

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/mantledeploy/mantle/agent/internal/owners"
	"github.com/mantledeploy/mantle/agent/internal/regular"
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

// ownerOf is who calls, if parts lead to a content, else empty.
func ownerOf(ctx context.Context, parts []string) string {
	if !isContent(parts) {
		return ""
	}
	return operatorOf(ctx)
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
	f, err := p.folder.OpenFile(owners.File(operator), os.O_WRONLY|os.O_CREATE|regular.NoWait, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// disown removes the files that say whose a content is.
func disown(folder *os.Root) error {
	all, err := names(folder, ".", maxBeside)
	if err != nil {
		return err
	}
	for _, name := range all {
		if _, ok := owners.MarkOf(name); !ok {
			continue
		}
		if err := folder.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// names lists a folder, at most so many names.
func names(root *os.Root, folder string, most int) ([]string, error) {
	d, err := root.OpenFile(folder, os.O_RDONLY|regular.NoWait, 0)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	all, err := d.Readdirnames(most)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return all, nil
}

// sameContent tells whether two files of a folder are there and have the same bytes.
func sameContent(folder *os.Root, a, b string) (bool, error) {
	one, size, err := openRegular(folder, a)
	if one == nil || err != nil {
		return false, err
	}
	defer one.Close()
	other, otherSize, err := openRegular(folder, b)
	if other == nil || err != nil {
		return false, err
	}
	defer other.Close()
	if size != otherSize {
		return false, nil
	}
	return sameBytes(one, other)
}

// openRegular opens a file; nil if there is no regular one of that name.
func openRegular(folder *os.Root, name string) (f *os.File, size int64, err error) {
	f, err = folder.OpenFile(name, os.O_RDONLY|regular.NoWait, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

func sameBytes(a, b io.Reader) (bool, error) {
	const size = 64 << 10
	one, other := make([]byte, size), make([]byte, size)
	for {
		n, err := io.ReadFull(a, one)
		m, again := io.ReadFull(b, other)
		if !bytes.Equal(one[:n], other[:m]) {
			return false, nil
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return true, nil
		}
		if err = errors.Join(err, again); err != nil {
			return false, err
		}
	}
}

// owns tells whether the content at p was sent by an operator.
func owns(p *place, operator string) bool {
	_, err := p.folder.Lstat(owners.File(operator))
	return err == nil
}
