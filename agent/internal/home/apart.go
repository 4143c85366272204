package home

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ToolsFolder is where operators keep the programs of their own that scripts use, where scripts have an account
// of their own: they cannot make folders in the home then.
const ToolsFolder = "Tools"

// handed are the folders that belong to who runs scripts.
func handed() []string { return []string{WorkFolder, ApplicationsFolder, FilesFolder, ToolsFolder} }

// StateOwner is the number of the account to which the state folder belongs, which is the daemon's; false where
// this system has no such numbers.
func (h Home) StateOwner() (uid uint32, known bool) {
	info, err := os.Lstat(h.State())
	if err != nil {
		return 0, false
	}
	uid, _, known = ownerOf(info)
	return uid, known
}

// OwnerName is the name of that account, or its number where it has none.
func (h Home) OwnerName() (name string, known bool) {
	uid, known := h.StateOwner()
	if !known {
		return "", false
	}
	return userName(uid), true
}

// CheckApart tells what would let scripts that run as account uid take over what belongs to the daemon, or keep
// them from their own folders. what calls the account in messages.
func (h Home) CheckApart(uid uint32, what string) error {
	for at := h.State(); ; at = filepath.Dir(at) {
		info, err := os.Lstat(at)
		if err != nil {
			return fmt.Errorf("looking at the home: %w", err)
		}
		owner, _, _ := ownerOf(info)
		open := info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0
		if owner == uid {
			return fmt.Errorf("%s belongs to %s, so scripts could replace the Tentacle's own files: give it to the daemon's user ('chown root %s'), or move the home", at, what, at)
		}
		if open {
			return fmt.Errorf("%s can be written by others than its owner (mode %04o), so scripts could replace the Tentacle's own files: 'chmod go-w %s', or move the home", at, info.Mode().Perm(), at)
		}
		if at == filepath.Dir(at) {
			break
		}
	}
	for _, name := range handed() {
		info, err := os.Lstat(filepath.Join(h.dir, name))
		if err != nil {
			return fmt.Errorf("looking at the folders of scripts: %w; 'tentacle init' as root makes what is missing", err)
		}
		if owner, _, _ := ownerOf(info); !info.IsDir() || owner != uid {
			return fmt.Errorf("the folder %s does not belong to %s: run 'tentacle init' as root, which hands over what scripts use", filepath.Join(h.dir, name), what)
		}
	}
	return nil
}

// HandOverEmpty gives to an account those folders of scripts in which there is nothing yet, and makes those that
// are missing. It needs the rights of root.
func (h Home) HandOverEmpty(uid, gid uint32) error {
	for _, name := range handed() {
		at := filepath.Join(h.dir, name)
		if err := os.MkdirAll(at, 0o755); err != nil { // #nosec G301 -- what is deployed must be readable by those who run it
			return fmt.Errorf("making the folders of scripts: %w", err)
		}
		err := isFolder(at)
		var entries []fs.DirEntry
		if err == nil {
			entries, err = os.ReadDir(at)
		}
		if err == nil && len(entries) == 0 {
			err = os.Lchown(at, int(uid), int(gid))
		}
		if err != nil {
			return fmt.Errorf("handing over %s: %w", at, err)
		}
	}
	return nil
}

// HandOver gives the folders of scripts, and everything in them, to an account. It needs the rights of root, and
// no script may run meanwhile. No link is followed. A file that has several names is left as it is, as another
// name may be elsewhere; left counts those that belong to others than the account.
func (h Home) HandOver(uid, gid uint32) (left int, err error) {
	for _, name := range handed() {
		at := filepath.Join(h.dir, name)
		if err := os.MkdirAll(at, 0o755); err != nil { // #nosec G301 -- what is deployed must be readable by those who run it
			return left, fmt.Errorf("making the folders of scripts: %w", err)
		}
		n, err := handOver(at, uid, gid)
		left += n
		if err != nil {
			return left, fmt.Errorf("handing over %s: %w", at, err)
		}
	}
	return left, nil
}

// isFolder fails for what is no folder, or a link to one: root must not be led to give away what is elsewhere.
func isFolder(at string) error {
	info, err := os.Lstat(at)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("it is not a folder but %s; move it away", info.Mode().Type())
	}
	return err
}

func handOver(dir string, uid, gid uint32) (left int, err error) {
	if err := isFolder(dir); err != nil {
		return 0, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, err
	}
	defer root.Close()
	opened, err := root.Stat(".")
	named, missing := os.Lstat(dir)
	if err = errors.Join(err, missing); err != nil {
		return 0, err
	}
	if !os.SameFile(opened, named) {
		return 0, errors.New("it was replaced meanwhile")
	}
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		owner, names, known := ownerOf(info)
		switch {
		case !known || owner == uid:
			return nil
		case !info.IsDir() && names > 1:
			left++
			return nil
		}
		return root.Lchown(filepath.FromSlash(name), int(uid), int(gid))
	})
	return left, err
}
