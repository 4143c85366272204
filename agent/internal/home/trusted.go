package home

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// ExposedError is a home that an account other than root and the daemon's user could change, and so decide what the
// daemon does. It matches ErrUnsafe.
type ExposedError struct {
	// Path is the file or folder that the account can change or replace.
	Path string

	why, remedy string
}

// Error names the file or folder and says who could change it.
func (e *ExposedError) Error() string { return e.Path + " " + e.why }

// Remedy says what to do.
func (e *ExposedError) Remedy() string { return e.remedy }

// Is says that the error is of the kind ErrUnsafe.
func (e *ExposedError) Is(target error) bool { return target == ErrUnsafe }

// CheckTrusted returns an *ExposedError if an account other than root and the daemon's user, uid, could change the state
// files or replace a folder on the way to them. On Windows access lists do this, and it returns nil.
func (h Home) CheckTrusted(uid int) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	for _, path := range []string{h.State(), h.Config(), h.Key(), h.Certificate(), h.Trust(), h.Policy()} {
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("looking at the home: %w", err)
		}
		if err := h.checkOwner(path, info, uid); err != nil {
			return err
		}
	}
	for at := h.dir; ; at = filepath.Dir(at) {
		info, err := os.Lstat(at)
		if err != nil {
			return fmt.Errorf("looking at the folders above the home: %w", err)
		}
		if err := h.checkFolder(at, info, uid); err != nil {
			return err
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}

// Owner is the number of the account to which a file belongs; false where this system has no such numbers.
func Owner(info fs.FileInfo) (uid uint32, known bool) {
	uid, _, known = ownerOf(info)
	return uid, known
}

// checkOwner requires a state file to belong to root or to the daemon's user.
func (h Home) checkOwner(path string, info fs.FileInfo, uid int) error {
	owner, _, known := ownerOf(info)
	if !known || owner == 0 || int64(owner) == int64(uid) {
		return nil
	}
	daemon := userName(uint32(uid)) // #nosec G115 -- as the system gave it
	return &ExposedError{
		Path:   path,
		why:    fmt.Sprintf("belongs to %s, so that account decides what the daemon, which runs as %s, obeys", userName(owner), daemon),
		remedy: fmt.Sprintf("make sure that nothing in it was changed and give it to the daemon's user (chown -R %s %s), or run the daemon as %s", daemon, h.State(), userName(owner)),
	}
}

// checkFolder requires that nobody but root and the daemon's user can replace what is in a folder. In a folder with the sticky
// bit, as /tmp, others can replace only what is their own; the home itself must not be one, as they could add to it.
func (h Home) checkFolder(path string, info fs.FileInfo, uid int) error {
	owner, _, known := ownerOf(info)
	if known && owner != 0 && int64(owner) != int64(uid) {
		return &ExposedError{
			Path:   path,
			why:    fmt.Sprintf("belongs to %s, so that account could put another home in the place of this one", userName(owner)),
			remedy: fmt.Sprintf("give it to root (chown root %s), or move the home below folders of root's or of the daemon's user", path),
		}
	}
	open := info.Mode().Perm() & 0o022
	if group, known := groupOf(info); known && uid != 0 && int64(group) == int64(uid) {
		open &= 0o002 // the daemon user's own group
	}
	if open == 0 || path != h.dir && info.Mode()&fs.ModeSticky != 0 {
		return nil
	}
	return &ExposedError{
		Path:   path,
		why:    fmt.Sprintf("can be written by others than its owner (mode %04o), so they could put another home in the place of this one", info.Mode().Perm()),
		remedy: fmt.Sprintf("chmod go-w %s, or move the home", path),
	}
}
