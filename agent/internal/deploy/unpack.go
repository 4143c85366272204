package deploy

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/mantledeploy/mantle/api/step"
)

// unpack writes a content into a sink, and fails where its digest is not the plan's. A failure of the
// content itself wins over what a wrong content happened to look like.
func unpack(ctx context.Context, f *os.File, c step.Content, s *sink) error {
	if c.Format == step.FormatZip {
		return unpackZip(ctx, f, c, s)
	}
	var plain io.Reader = bufio.NewReaderSize(countIn{f, s.gauge}, 256<<10)
	if c.Format == step.FormatTarGz {
		z, err := gzip.NewReader(plain)
		if err != nil {
			return corrupt("the content is not gzip: %w", err)
		}
		plain = z
	}
	sum := sha256.New()
	all := io.TeeReader(countOut{ctx, plain, s.gauge}, sum)
	err := unpackTar(all, s)
	if err != nil && !isReading(err) && !isRefusal(err) {
		return err // The machine's own failure, or the end of ctx.
	}
	if _, drained := io.Copy(io.Discard, all); drained != nil {
		if isRefusal(drained) || ctx.Err() != nil {
			return drained
		}
		return corrupt("reading the content: %w", drained)
	}
	if wrong := checkSum(sum, c); wrong != nil {
		return wrong
	}
	if isReading(err) {
		return refuse("%w", err)
	}
	return err
}

// readingError is a failure to read the archive, as opposed to one to write what it holds.
type readingError struct{ err error }

func (e *readingError) Error() string { return "reading the archive: " + e.err.Error() }
func (e *readingError) Unwrap() error { return e.err }

func isReading(err error) bool {
	var e *readingError
	return errors.As(err, &e)
}

func isRefusal(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Reason == step.ReasonPackageRefused
}

func corrupt(format string, args ...any) error {
	return &Error{step.ReasonContentCorrupt, fmt.Errorf(format, args...)}
}

func checkSum(sum hash.Hash, c step.Content) error {
	if got := hex.EncodeToString(sum.Sum(nil)); got != c.SHA256 {
		return corrupt("the content has the digest %s, not %s; it was removed and must be sent again", got, c.SHA256)
	}
	return nil
}

func unpackTar(r io.Reader, s *sink) error {
	archive := tar.NewReader(r)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return &readingError{err}
		}
		if err := tarEntry(h, archive, s); err != nil {
			return err
		}
	}
}

func tarEntry(h *tar.Header, r io.Reader, s *sink) error {
	mode := fs.FileMode(h.Mode).Perm()
	switch h.Typeflag {
	case tar.TypeXGlobalHeader:
		return nil
	case tar.TypeDir:
		return s.dir(h.Name, mode)
	case tar.TypeReg:
		return s.file(h.Name, mode, h.ModTime, r)
	case tar.TypeSymlink:
		return s.symlink(h.Name, h.Linkname)
	case tar.TypeLink:
		return s.hardlink(h.Name, h.Linkname)
	}
	return refuse("%q is neither a file, a folder nor a link (type %q)", h.Name, h.Typeflag)
}

// maxZipList bounds the central directory, which is read into memory.
const maxZipList = 64 << 20

func unpackZip(ctx context.Context, f *os.File, c step.Content, s *sink) error {
	sum := sha256.New()
	size, err := io.Copy(sum, countOut{ctx, f, &gauge{limits: s.gauge.limits, in: 1 << 62}})
	if err != nil {
		return err
	}
	if err := checkSum(sum, c); err != nil {
		return err
	}
	s.gauge.in = size
	at := &boundedAt{r: f, left: maxZipList}
	archive, err := zip.NewReader(at, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return refuse("reading the archive's list of files: %w", err)
	}
	at.open = true
	for _, entry := range archive.File {
		if err := zipEntry(ctx, entry, s); err != nil {
			if isReading(err) {
				return refuse("%w", err)
			}
			return err
		}
	}
	return nil
}

func zipEntry(ctx context.Context, f *zip.File, s *sink) error {
	// Some Windows programs write their own separator.
	name := strings.ReplaceAll(f.Name, `\`, "/")
	mode := f.Mode()
	switch {
	case strings.HasSuffix(name, "/") || mode.IsDir():
		return s.dir(name, mode.Perm())
	case mode&fs.ModeType != 0 && mode&fs.ModeType != fs.ModeSymlink:
		return refuse("%q is neither a file, a folder nor a link (%s)", name, mode)
	}
	r, err := f.Open()
	if err != nil {
		return refuse("reading %q: %w", name, err)
	}
	defer r.Close()
	counted := countOut{ctx, r, s.gauge}
	if mode&fs.ModeSymlink == 0 {
		return s.file(name, mode.Perm(), f.Modified, counted)
	}
	target, err := io.ReadAll(io.LimitReader(counted, maxPath+1))
	if err != nil {
		return &readingError{err}
	}
	return s.symlink(name, string(target))
}
