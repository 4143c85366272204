package packages

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/mantledeploy/mantle/api/archive"
	"github.com/mantledeploy/mantle/api/step"
)

// limits of an archive, so that an archive that a machine would refuse is refused here. The limit of the content is
// half of that of machines.
var limits = archive.Limits{Bytes: 16 << 30}.OrDefault()

// listing is held while the list of files of a zip is read: that takes memory before the list can be checked.
var listing sync.Mutex

// InvalidError says that the fetched file is not a valid package.
type InvalidError struct {
	Why string
}

// Error returns the reason.
func (e *InvalidError) Error() string {
	return "it is not a valid archive (tar.gz, tar or zip): " + e.Why
}

// inspect returns the format and the content digest of a file. It reads and checks the whole file, as a machine does.
func inspect(ctx context.Context, file *os.File, size int64) (format, content string, err error) {
	head := make([]byte, 512)
	n, err := file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", "", fmt.Errorf("reading the package: %w", err)
	}
	head = head[:n]
	i := &inspection{ctx: ctx, gauge: archive.NewGauge(limits), judge: archive.NewJudge(limits, archive.System{})}
	whole := io.NewSectionReader(file, 0, size)
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		format = step.FormatTarGz
		content, err = i.tarGz(whole)
	case bytes.HasPrefix(head, []byte("PK")):
		format = step.FormatZip
		content, err = i.zip(whole)
	case archive.IsTar(head):
		format = step.FormatTar
		i.gauge.In(size)
		content, err = i.tar(whole)
	default:
		err = errors.New("its first bytes match none of these formats")
	}
	switch {
	case ctx.Err() != nil:
		return "", "", ctx.Err()
	case err != nil:
		return "", "", &InvalidError{Why: err.Error()}
	}
	return format, content, nil
}

// inspection is the state of reading one archive.
type inspection struct {
	ctx   context.Context
	gauge *archive.Gauge
	judge *archive.Judge
}

// in counts the compressed bytes of r.
func (i *inspection) in(r io.Reader) io.Reader {
	return reading(func(p []byte) (int, error) {
		n, err := r.Read(p)
		i.gauge.In(int64(n))
		return n, err
	})
}

// out counts the uncompressed bytes of r, and ends with the context.
func (i *inspection) out(r io.Reader) io.Reader {
	return reading(func(p []byte) (int, error) {
		if err := i.ctx.Err(); err != nil {
			return 0, err
		}
		n, err := r.Read(p)
		if over := i.gauge.Out(int64(n)); over != nil {
			return 0, over
		}
		return n, err
	})
}

type reading func(p []byte) (int, error)

func (r reading) Read(p []byte) (int, error) { return r(p) }

func (i *inspection) tarGz(r io.Reader) (string, error) {
	compressed, err := archive.Gunzip(bufio.NewReaderSize(i.in(r), 256<<10))
	if err != nil {
		return "", err
	}
	return i.tar(compressed)
}

func (i *inspection) tar(r io.Reader) (string, error) {
	digest := sha256.New()
	all := io.TeeReader(i.out(r), digest)
	entries := tar.NewReader(all)
	for {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		if _, err := i.judge.Entry(archive.Tar(h)); err != nil {
			return "", err
		}
	}
	// Bytes after the archive's end belong to its content.
	if _, err := io.Copy(io.Discard, all); err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(digest.Sum(nil)), nil
}

func (i *inspection) zip(file *io.SectionReader) (string, error) {
	i.gauge.In(file.Size())
	list, err := openZip(file)
	if err != nil {
		return "", err
	}
	for _, f := range list {
		if err := i.zipEntry(f); err != nil {
			return "", err
		}
	}
	digest := sha256.New()
	if _, err := io.Copy(digest, file); err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(digest.Sum(nil)), nil
}

func openZip(file *io.SectionReader) ([]*zip.File, error) {
	listing.Lock()
	defer listing.Unlock()
	list, err := archive.OpenZip(file, file.Size())
	if err != nil {
		return nil, err
	}
	if len(list.File) > limits.Entries {
		return nil, fmt.Errorf("it lists more than %d entries", limits.Entries)
	}
	return list.File, nil
}

// zipEntry reads an entry to its end, so that its checksum is verified.
func (i *inspection) zipEntry(f *zip.File) error {
	e := archive.Zip(f)
	if e.Kind == archive.File || e.Kind == archive.Symlink {
		r, err := f.Open()
		if err != nil {
			return fmt.Errorf("reading %q: %w", e.Name, err)
		}
		defer r.Close()
		content := i.out(r)
		if e.Kind == archive.Symlink {
			e.Link, err = archive.ReadLink(content)
		} else {
			_, err = io.Copy(io.Discard, content)
		}
		if err != nil {
			return fmt.Errorf("reading %q: %w", e.Name, err)
		}
	}
	_, err := i.judge.Entry(e)
	return err
}
