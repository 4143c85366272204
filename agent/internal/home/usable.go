package home

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
)

// The bits of a mode, for one class of users.
const (
	mayRead   = 0o4
	mayChange = 0o6
	mayList   = 0o7 // of a folder: read it, enter it and make files there
)

// UnusableError is a state file that the daemon's user cannot use, as after root wrote it for a daemon that is not root.
type UnusableError struct {
	Path string
	// User is the daemon's, by its name where that is known.
	User string

	owner   string
	mode    fs.FileMode
	command []string
}

// Error names the file, whose it is and who cannot use it.
func (e *UnusableError) Error() string {
	return fmt.Sprintf("%s belongs to %s and has mode %04o, so the daemon's user, %s, cannot use it", e.Path, e.owner, e.mode, e.User)
}

// Remedy is the command that mends it.
func (e *UnusableError) Remedy() string {
	return strings.Join(append(slices.Clone(e.command), e.Path), " ")
}

// RemedyFor is the command that mends a folder and all in it, where one of them is e's.
func (e *UnusableError) RemedyFor(folder string) string {
	words := append(slices.Clone(e.command), folder)
	return strings.Join(slices.Insert(words, 1, "-R"), " ")
}

// CheckReadable tells why the daemon could not read the state file at path, as *UnusableError. The daemon's user is the one to
// whom the state folder belongs. A file that is not there is no error.
func (h Home) CheckReadable(path string) error { return h.checkUsable(path, mayRead) }

// CheckChangeable is CheckReadable for a folder, or a file that the daemon writes to.
func (h Home) CheckChangeable(path string) error { return h.checkUsable(path, mayChange) }

// ReadState is ReadFile for a state file, whose error is *UnusableError where the daemon's user cannot read it.
func (h Home) ReadState(path string, limit int64) ([]byte, error) {
	data, err := ReadFile(path, limit)
	if errors.Is(err, fs.ErrPermission) {
		if unusable, ok := errors.AsType[*UnusableError](h.CheckReadable(path)); ok {
			return nil, unusable
		}
	}
	return data, err
}

func (h Home) checkUsable(path string, need fs.FileMode) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking at %s: %w", path, err)
	}
	uid, known := h.StateOwner()
	owner, _, _ := ownerOf(info)
	if !known || uid == 0 {
		return nil // root may do everything, and Windows has access lists
	}
	if info.IsDir() {
		need = mayList
	}
	if owner == uid && info.Mode().Perm()>>6&need == need || owner != uid && h.reaches(uid, info, need) {
		return nil
	}
	e := &UnusableError{Path: path, User: userName(uid), owner: userName(owner), mode: info.Mode().Perm()}
	e.command = []string{"chown", e.User}
	if owner == uid {
		e.command = []string{"chmod", "u+rwX"}
	}
	return e
}

// reaches says whether an account may use a file that belongs to another, by the file's group or as everybody may.
func (h Home) reaches(uid uint32, info fs.FileInfo, need fs.FileMode) bool {
	mode := info.Mode().Perm()
	if mode&need == need {
		return true
	}
	gid, _ := groupOf(info)
	if mode>>3&need != need {
		return false
	}
	if state, err := os.Lstat(h.State()); err == nil {
		if own, _ := groupOf(state); own == gid {
			return true
		}
	}
	account, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return gid != 0 // of a directory, which a static program does not see: nobody is to be alarmed without reason
	}
	groups, err := account.GroupIds()
	return err != nil || slices.Contains(groups, strconv.FormatUint(uint64(gid), 10))
}

// userName is an account's name, or its number where it is not known.
func userName(uid uint32) string {
	number := strconv.FormatUint(uint64(uid), 10)
	if account, err := user.LookupId(number); err == nil {
		return account.Username
	}
	return number
}
