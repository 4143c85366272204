package files

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/mantledeploy/mantle/agent/internal/account"
	"github.com/mantledeploy/mantle/agent/internal/audit"
	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/regular"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// tempPrefix begins the name of an upload that is not whole yet.
const tempPrefix = ".mantle-upload-"

// maxSweep bounds how many entries Sweep looks at.
const maxSweep = 1_000_000

// Store is the file transfer service of one home. It is safe for concurrent use.
type Store struct {
	home     home.Home
	account  *account.Account
	spelling spelling
	root     *os.Root
	audit    Audit
}

// Audit records a transfer that is about to happen, or was refused. An error means that it could not, and nothing is
// transferred for now.
type Audit func(context.Context, audit.Entry) error

// Record has every transfer recorded. Call it before the first.
func (s *Store) Record(a Audit) { s.audit = a }

// allow records a transfer before it happens, with the daemon's own rights: account.As changes those of one
// thread, and another goroutine has another.
func (s *Store) allow(ctx context.Context, e audit.Entry) error {
	e.Decision = audit.Allowed
	done := make(chan error, 1)
	go func() { done <- s.audit(ctx, e) }()
	return <-done
}

// noteRefusal records a transfer that err ended because it may not be.
func (s *Store) noteRefusal(ctx context.Context, what, path string, err error) {
	if errors.Is(err, errRefused) || errors.Is(err, fs.ErrPermission) {
		_ = s.audit(ctx, audit.Entry{What: what, Decision: audit.Refused, Path: path, Reason: "operators may not have this path"})
	}
}

// Open opens the home's folder, once, for all transfers. They are done with the rights of account a, that of
// scripts, to which what is uploaded belongs; nil is the daemon's own.
func Open(h home.Home, a *account.Account) (*Store, error) {
	root, err := os.OpenRoot(h.Dir())
	if err != nil {
		return nil, fmt.Errorf("opening the home for transfers: %w", err)
	}
	return &Store{home: h, account: a, spelling: spellingOf(h, runtime.GOOS), root: root,
		audit: func(context.Context, audit.Entry) error { return nil }}, nil
}

// Close ends all use of the store.
func (s *Store) Close() error { return s.root.Close() }

// Sweep removes from Files what uploads left that a crash cut off. Call it before the first upload.
func (s *Store) Sweep() error { return account.As(s.account, s.sweep) }

func (s *Store) sweep() error {
	seen := 0
	err := fs.WalkDir(s.root.FS(), home.FilesFolder, func(name string, d fs.DirEntry, err error) error {
		if seen++; seen > maxSweep {
			return fs.SkipAll
		}
		if err != nil || !d.Type().IsRegular() || !strings.HasPrefix(d.Name(), tempPrefix) {
			return nil //nolint:nilerr // what cannot be read is not swept
		}
		return s.root.Remove(filepath.FromSlash(name))
	})
	if err != nil {
		return fmt.Errorf("removing cut-off uploads: %w", err)
	}
	return nil
}

// UploadFile writes content to remotePath, with the folders above it, and answers where it lies, its
// SHA-1 and its size. A file that is there is replaced when the new one is whole, and keeps its mode; a
// link is replaced, not followed. Without content (nil) nothing is written. Errors that will not pass
// are halibut.FinalError.
func (s *Store) UploadFile(ctx context.Context, remotePath string, content *halibut.DataStream) (result tentacle.UploadResult, err error) {
	defer func() { s.noteRefusal(ctx, audit.Upload, remotePath, err) }()
	parts, err := s.target(remotePath)
	if err != nil {
		return tentacle.UploadResult{}, classify(err)
	}
	result = tentacle.UploadResult{FullPath: filepath.Join(append([]string{s.home.Dir()}, parts...)...)}
	if content == nil {
		return result, nil
	}
	from, err := content.Open() // by the daemon: it may lie in its spool
	if err != nil {
		return tentacle.UploadResult{}, fmt.Errorf("writing %.200q: %w", remotePath, err)
	}
	defer from.Close()
	var hash string
	err = account.As(s.account, func() error {
		hash, err = s.write(ctx, remotePath, parts, arrived{from, content.Len(), content.Spooled(), content.Digest()})
		return err
	})
	if err != nil {
		return tentacle.UploadResult{}, classify(err)
	}
	result.Hash, result.Length = &hash, content.Len()
	return result, nil
}

// CheckUpload tells whether UploadFile is going to refuse a path by what it names, whatever is there.
func (s *Store) CheckUpload(remotePath string) error {
	_, err := s.target(remotePath)
	return err
}

// target takes apart the path of a file that is to be written.
func (s *Store) target(remotePath string) ([]string, error) {
	parts, err := s.spelling.parse(remotePath)
	if err == nil && len(parts) == 0 {
		err = refuse(remotePath, "it names no file")
	}
	return parts, err
}

// write writes a file where parts lead.
func (s *Store) write(ctx context.Context, remotePath string, parts []string, from arrived) (hash string, err error) {
	p, err := s.walk(remotePath, parts, true, false)
	if err != nil {
		return "", err
	}
	defer p.close()
	if p.info != nil && p.info.IsDir() {
		return "", refuse(remotePath, "a folder has that name")
	}
	if err := s.allow(ctx, audit.Entry{What: audit.Upload, Path: remotePath, Size: &from.size}); err != nil {
		return "", err
	}
	if hash, err = s.replace(ctx, p, ownerOf(ctx, parts), from); err != nil {
		return "", fmt.Errorf("writing %.200q: %w", remotePath, err)
	}
	return hash, nil
}

// replace writes content beside p, or moves it there from the spool, and renames it to p. It is noted as the owner's, unless
// there is none.
func (s *Store) replace(ctx context.Context, p *place, owner string, from arrived) (hash string, err error) {
	temp := tempPrefix + rand.Text()
	to, err := p.folder.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666) // less the umask, as others write files
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			_ = to.Close()
			_ = p.folder.Remove(temp)
		}
	}()
	if err := keepMode(to, p); err != nil {
		return "", err
	}
	digest, err := fill(ctx, p, temp, to, from)
	if err := errors.Join(err, to.Close()); err != nil {
		return "", err
	}
	if owner != "" {
		if err := own(p, temp, owner); err != nil {
			return "", err
		}
	}
	if err := p.folder.Rename(temp, p.name); err != nil {
		return "", err
	}
	return hex.EncodeToString(digest), nil
}

// DownloadFile gives the content of remotePath, as long as it is now; nil where there is no file of that
// name. Errors that will not pass are halibut.FinalError.
func (s *Store) DownloadFile(ctx context.Context, remotePath string) (content *halibut.DataStream, err error) {
	defer func() { s.noteRefusal(ctx, audit.Download, remotePath, err) }()
	parts, err := s.spelling.parse(remotePath)
	if err != nil {
		return nil, classify(err)
	}
	owner := ownerOf(ctx, parts)
	file, size, err := s.openAs(remotePath, parts, owner)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, s.allow(ctx, audit.Entry{What: audit.Download, Path: remotePath, Reason: "there is no such file"})
	}
	if err != nil {
		return nil, classify(err)
	}
	if err := file.Close(); err != nil {
		return nil, classify(fmt.Errorf("reading %.200q: %w", remotePath, err))
	}
	if err := s.allow(ctx, audit.Entry{What: audit.Download, Path: remotePath, Size: &size}); err != nil {
		return nil, err
	}
	return halibut.NewDataStream(size, func() (io.ReadCloser, error) {
		// Opened only when it is sent, so that a peer that goes away leaves no file open.
		again, _, err := s.openAs(remotePath, parts, owner)
		return again, err
	}), nil
}

// openAs is open with the rights of the store's account.
func (s *Store) openAs(text string, parts []string, owner string) (file *os.File, size int64, err error) {
	err = account.As(s.account, func() error {
		file, size, err = s.open(text, parts, owner)
		return err
	})
	return file, size, err
}

// maxReplaced is how often a file may be replaced while it is being opened: each upload to its name does that.
const maxReplaced = 20

// errReplaced is a file that was replaced between the look at it and its opening.
var errReplaced = fmt.Errorf("%w: it was replaced again and again while it was opened", errRefused)

// open opens a regular file for reading; anything else is fs.ErrNotExist, and so is a content that the owner has not sent,
// unless there is no owner.
func (s *Store) open(text string, parts []string, owner string) (file *os.File, size int64, err error) {
	if len(parts) == 0 {
		return nil, 0, fs.ErrNotExist
	}
	for range maxReplaced {
		if file, size, err = s.openOnce(text, parts, owner); !errors.Is(err, errReplaced) {
			break
		}
	}
	return file, size, err
}

func (s *Store) openOnce(text string, parts []string, owner string) (*os.File, int64, error) {
	p, err := s.walk(text, parts, false, true)
	if err != nil {
		return nil, 0, err
	}
	defer p.close()
	if p.info == nil || !p.info.Mode().IsRegular() || owner != "" && !owns(p, owner) {
		return nil, 0, fs.ErrNotExist
	}
	file, err := p.folder.OpenFile(p.name, os.O_RDONLY|regular.NoWait, 0)
	if err != nil {
		return nil, 0, fmt.Errorf("reading %.200q: %w", text, err)
	}
	info, err := file.Stat()
	if err == nil && !os.SameFile(info, p.info) {
		err = fmt.Errorf("path %.200q is %w", text, errReplaced)
	}
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

// classify marks errors that will not pass, so that the caller does not try again.
func classify(err error) error {
	if errors.Is(err, errRefused) || errors.Is(err, fs.ErrPermission) {
		return halibut.FinalError{Err: err}
	}
	return err
}
