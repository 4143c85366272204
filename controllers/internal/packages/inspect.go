package packages

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
)

// The bounds of an archive: what a machine would refuse is refused before it is sent.
const (
	maxContent = 16 << 30
	maxEntries = 200_000
)

// InvalidError says that what was fetched is not a package.
type InvalidError struct {
	Why string
}

// Error tells why.
func (e *InvalidError) Error() string {
	return "it is not a sound archive (tar.gz, tar or zip): " + e.Why
}

// inspect finds out format and content digest of the file, and reads it whole as an archive.
func inspect(file *os.File, size int64) (format, content string, err error) {
	head := make([]byte, 512)
	n, err := file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", "", fmt.Errorf("reading the package: %w", err)
	}
	head = head[:n]
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		compressed, err := gzip.NewReader(bufio.NewReaderSize(io.NewSectionReader(file, 0, size), 256<<10))
		if err != nil {
			return "", "", &InvalidError{Why: err.Error()}
		}
		content, err = readTar(compressed)
		return "tar.gz", content, err
	case bytes.HasPrefix(head, []byte("PK")):
		content, err = readZip(file, size)
		return "zip", content, err
	case len(head) > 262 && string(head[257:262]) == "ustar":
		content, err = readTar(io.NewSectionReader(file, 0, size))
		return "tar", content, err
	default:
		return "", "", &InvalidError{Why: "its first bytes are of none of these"}
	}
}

func readTar(r io.Reader) (string, error) {
	digest := sha256.New()
	limited := &io.LimitedReader{R: io.TeeReader(r, digest), N: maxContent}
	archive := tar.NewReader(limited)
	for entries := 0; ; entries++ {
		_, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", &InvalidError{Why: err.Error()}
		}
		if entries >= maxEntries {
			return "", &InvalidError{Why: fmt.Sprintf("more than %d entries", maxEntries)}
		}
	}
	// What follows the archive's end belongs to its content.
	if _, err := io.Copy(io.Discard, limited); err != nil {
		return "", &InvalidError{Why: err.Error()}
	}
	if limited.N <= 0 {
		return "", &InvalidError{Why: "its content is larger than 16 GiB"}
	}
	return "sha256:" + hex.EncodeToString(digest.Sum(nil)), nil
}

func readZip(file *os.File, size int64) (string, error) {
	archive, err := zip.NewReader(file, size)
	if err != nil {
		return "", &InvalidError{Why: err.Error()}
	}
	if len(archive.File) > maxEntries {
		return "", &InvalidError{Why: fmt.Sprintf("more than %d entries", maxEntries)}
	}
	digest := sha256.New()
	if _, err := io.Copy(digest, io.NewSectionReader(file, 0, size)); err != nil {
		return "", fmt.Errorf("reading the package: %w", err)
	}
	return "sha256:" + hex.EncodeToString(digest.Sum(nil)), nil
}
