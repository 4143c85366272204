package deploy

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/mantledeploy/mantle/api/archive"
	"github.com/mantledeploy/mantle/api/step"
)

// unpack writes a content into a sink, and fails where its digest is not the plan's. A failure of the
// content itself wins over what a wrong content happened to look like.
func unpack(ctx context.Context, f *os.File, c step.Content, s *sink) error {
	if c.Format == step.FormatZip {
		return unpackZip(ctx, f, c, s)
	}
	sent := bufio.NewReaderSize(countIn{f, s.gauge}, 256<<10)
	var plain io.Reader = sent
	if c.Format == step.FormatTarGz {
		z, err := archive.Gunzip(sent)
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
	entries := tar.NewReader(r)
	for {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return &readingError{err}
		}
		if err := s.add(archive.Tar(h), h.ModTime, entries); err != nil {
			return err
		}
	}
}

func unpackZip(ctx context.Context, f *os.File, c step.Content, s *sink) error {
	sum, read := sha256.New(), archive.NewGauge(s.limits)
	read.In(1 << 62) // nothing is unpacked yet
	size, err := io.Copy(sum, countOut{ctx, f, read})
	if err != nil {
		return err
	}
	if err := checkSum(sum, c); err != nil {
		return err
	}
	s.gauge.In(size)
	list, err := archive.OpenZip(f, size)
	if err != nil {
		return refuse("%w", err)
	}
	for _, entry := range list.File {
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
	e := archive.Zip(f)
	if e.Kind != archive.File && e.Kind != archive.Symlink {
		return s.add(e, f.Modified, nil)
	}
	r, err := f.Open()
	if err != nil {
		return refuse("reading %q: %w", e.Name, err)
	}
	defer r.Close()
	counted := countOut{ctx, r, s.gauge}
	if e.Kind == archive.Symlink {
		if e.Link, err = archive.ReadLink(counted); err != nil {
			return &readingError{err}
		}
	}
	return s.add(e, f.Modified, counted)
}
