package home

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// CheckProgram returns an *ExposedError if an account other than root and uid could replace the program at path, whose links are
// resolved, before a service runs it. On Windows access lists do this, and it returns nil.
func CheckProgram(path string, uid int) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	for at := path; ; at = filepath.Dir(at) {
		info, err := os.Lstat(at)
		if err != nil {
			return fmt.Errorf("looking at the program: %w", err)
		}
		why := ""
		owner, _, known := ownerOf(info)
		switch {
		case known && owner != 0 && int64(owner) != int64(uid):
			why = "belongs to " + userName(owner)
		case info.Mode().Perm()&0o022 != 0 && (at == path || info.Mode()&fs.ModeSticky == 0):
			why = fmt.Sprintf("can be written by others than its owner (mode %04o)", info.Mode().Perm())
		}
		if why != "" {
			return &ExposedError{Path: at, why: why + ", who could put another program in the place of " + path,
				remedy: "put the program where only root can write, for example by 'install -m 0755 " + path + " /usr/local/bin/tentacle', and install the service from there"}
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}
