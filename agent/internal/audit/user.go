package audit

import (
	"os"
	"os/user"
	"runtime"
	"strconv"
)

// LocalUser names who runs this program, for Entry.User: the account, and behind it the one that became it by
// sudo, which is what sudo says and no proof.
func LocalUser(env func(string) (string, bool)) string {
	name := account()
	if by, ok := env("SUDO_USER"); ok && by != "" && by != name {
		name += " (sudo: " + by + ")"
	}
	return name
}

// account does not ask the environment, as user.Current may.
func account() string {
	if runtime.GOOS == "windows" {
		if u, err := user.Current(); err == nil {
			return u.Username
		}
		return "unknown"
	}
	id := strconv.Itoa(os.Getuid())
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "uid " + id
}
