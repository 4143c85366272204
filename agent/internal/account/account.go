package account

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Account is one account of this machine, as its directory of accounts knew it when it was asked.
type Account struct {
	// Name is what the account was asked for by.
	Name string
	// UID and GID are its numbers; Groups are those of all its groups, GID too.
	UID, GID uint32
	Groups   []uint32
	// Home and Shell may be empty.
	Home, Shell string
}

// IsSelf says whether this process runs as the account already. nil is always so.
func (a *Account) IsSelf() bool {
	return a == nil || int64(os.Geteuid()) == int64(a.UID)
}

// String names the account and its number, for logs and messages.
func (a *Account) String() string { return fmt.Sprintf("%s (uid %d, gid %d)", a.Name, a.UID, a.GID) }

// Environment is env with what tells a program as whom it runs: HOME, USER, LOGNAME and SHELL. What speaks
// of a login of the account that env comes from is left out.
func (a *Account) Environment(env []string) []string {
	own := []string{"HOME=" + a.Home, "USER=" + a.Name, "LOGNAME=" + a.Name, "SHELL=" + a.Shell}
	env = slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		switch name {
		case "HOME", "USER", "LOGNAME", "SHELL", "MAIL", "XDG_RUNTIME_DIR", "XDG_SESSION_ID", "DBUS_SESSION_BUS_ADDRESS":
			return true
		}
		return false
	})
	return append(env, own...)
}

// As does f with the rights to files of account a: what f makes belongs to it, and what the account may not
// reach f may not either. What was opened before can be used. f must do its work itself, not in another
// goroutine. An account that this process runs as already, and nil, change nothing. As fails without calling
// f where this process may not become the account.
func As(a *Account, f func() error) error {
	if a.IsSelf() {
		return f()
	}
	return a.as(f)
}
