package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// Kind is what an entry is.
type Kind int

// The kinds of entries. An Other is refused, a Note says something of the archive and makes nothing.
const (
	Other Kind = iota
	Note
	Folder
	File
	Symlink
	Hardlink
)

// Entry is what an archive says of one entry.
type Entry struct {
	Kind Kind
	Name string
	// Link is the target of a link. A zip has it as the entry's content, so that its reader sets it.
	Link string
	// Size of a file, unpacked, as the archive says.
	Size int64
	// Mode has the permissions that the entry is to have: those of the archive without setuid, setgid and sticky, and at
	// least u+rwX.
	Mode fs.FileMode
	// NoMode is true of a file of which the archive says none: DefaultMode has them.
	NoMode bool
	// what an Other is, for people.
	what string
}

// What GNU tar writes beside entries: the archive's label, and a folder with a list of what is in it.
const (
	gnuLabel = 'V'
	gnuDump  = 'D'
)

// usable adds u+rwX, so that what is installed can be read, and removed again.
func usable(mode fs.FileMode) fs.FileMode {
	if mode&0o111 != 0 {
		mode |= 0o100
	}
	return mode | 0o600
}

// DefaultMode is that of a file of which the archive says none, by how it begins: a program is one that the system can start.
func DefaultMode(head []byte) fs.FileMode {
	if bytes.HasPrefix(head, []byte("#!")) || bytes.HasPrefix(head, []byte("\x7fELF")) {
		return 0o755
	}
	return 0o644
}

// Tar says what an entry of a tar is.
func Tar(h *tar.Header) Entry {
	e := Entry{Name: h.Name, Link: h.Linkname, Mode: usable(fs.FileMode(h.Mode).Perm())}
	switch h.Typeflag {
	case tar.TypeXGlobalHeader, gnuLabel:
		e.Kind = Note
	case tar.TypeDir, gnuDump:
		e.Kind, e.Mode = Folder, e.Mode|0o700
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse: // the reader fills the holes
		e.Kind, e.Size = File, h.Size
	case tar.TypeSymlink:
		e.Kind = Symlink
	case tar.TypeLink:
		e.Kind = Hardlink
	default:
		e.what = fmt.Sprintf("type %q", h.Typeflag)
	}
	return e
}

// Zip says what an entry of a zip is.
func Zip(f *zip.File) Entry {
	// Some Windows programs write their own separator.
	e := Entry{Name: strings.ReplaceAll(zipName(f), `\`, "/"), Mode: usable(f.Mode().Perm()), NoMode: !hasMode(f)}
	if e.NoMode {
		e.Mode = 0o644
	}
	switch mode := f.Mode(); {
	case strings.HasSuffix(e.Name, "/") || mode.IsDir():
		e.Kind, e.Mode = Folder, e.Mode|0o700
		if e.NoMode {
			e.Mode = 0o755
		}
	case mode&fs.ModeType == fs.ModeSymlink:
		e.Kind = Symlink
	case mode&fs.ModeType == 0:
		e.Kind, e.Size = File, int64(min(f.UncompressedSize64, 1<<62))
	default:
		e.what = mode.String()
	}
	return e
}

// ReadLink reads the target of a link of a zip.
func ReadLink(r io.Reader) (string, error) {
	target, err := io.ReadAll(io.LimitReader(r, maxPath+1))
	return string(target), err
}

// maxZipList bounds the list of files of a zip, in bytes, as it is read into memory.
const maxZipList = 64 << 20

// OpenZip reads the list of files. The error is a RefusedError where the list is none, or too long.
func OpenZip(r io.ReaderAt, size int64) (*zip.Reader, error) {
	at := &boundedAt{r: r, left: maxZipList}
	archive, err := zip.NewReader(at, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // names are judged one by one
		return nil, refuse("reading the archive's list of files: %v", err)
	}
	at.open = true
	return archive, nil
}

// boundedAt refuses to read more than left bytes in all, until it is open.
type boundedAt struct {
	r    io.ReaderAt
	left int64
	open bool
}

func (b *boundedAt) ReadAt(p []byte, off int64) (int, error) {
	if !b.open {
		b.left -= int64(len(p))
		if b.left < 0 {
			return 0, refuse("it is longer than %d bytes", maxZipList)
		}
	}
	return b.r.ReadAt(p, off)
}
