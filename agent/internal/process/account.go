package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/account"
	"github.com/mantledeploy/mantle/api/step"
)

// How long a look-up may take, and how much it may say; a directory may be far away, and know many groups.
const (
	lookupPatience = 20 * time.Second
	lookupLimit    = 1 << 20
)

// ErrNoAccount is matched by the error of LookupAccount for a name that no account has.
var ErrNoAccount = errors.New("there is no such account on this machine")

// ErrPrivilege is matched by the error of MayBecome for a lack of rights.
var ErrPrivilege = errors.New("this process may not start others as another user; it lacks")

// MayBecome says whether this process may start others as account a, and end them: it runs as the account
// itself, or has what that takes.
func MayBecome(a *account.Account) error {
	if a.IsSelf() {
		return nil
	}
	return privileges()
}

// LookupAccount asks the system for an account by its name: by `getent` and `id`, which see every directory
// that the machine uses (LDAP, Active Directory), as a static program does not. Where there are no such
// programs the files in /etc are read. The name is held to what step.CheckUser takes.
func LookupAccount(name string) (*account.Account, error) {
	if err := step.CheckUser(name); err != nil {
		return nil, fmt.Errorf("account %w", err)
	}
	a, err := lookup(name, query)
	if err != nil {
		return nil, fmt.Errorf("looking up account %q: %w", name, err)
	}
	return a, nil
}

// lookup is LookupAccount with the way to ask. ask fails with exec.ErrNotFound where the program is missing.
func lookup(name string, ask func(program string, args ...string) (string, error)) (*account.Account, error) {
	line, err := ask("getent", "passwd", name)
	if errors.Is(err, exec.ErrNotFound) {
		return fromFiles(name)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 2 {
		return nil, ErrNoAccount
	}
	if err != nil {
		return nil, err
	}
	a, err := parsePasswd(name, line)
	if err != nil {
		return nil, err
	}
	groups, err := ask("id", "-G", name)
	if errors.Is(err, exec.ErrNotFound) {
		var files *account.Account
		if files, err = fromFiles(name); err == nil {
			a.Groups = files.Groups
		}
		return a, err
	}
	if err != nil {
		return nil, err
	}
	for field := range strings.FieldsSeq(groups) {
		if a.Groups, err = addID(a.Groups, field); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// parsePasswd reads a line of the form of /etc/passwd, the first where there are more.
func parsePasswd(name, text string) (*account.Account, error) {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Split(line, ":")
	if len(fields) != 7 {
		return nil, fmt.Errorf("the system's answer is not understood: it has %d fields, not 7", len(fields))
	}
	ids, err := addID(nil, fields[2])
	if err == nil {
		ids, err = addID(ids, fields[3])
	}
	if err != nil {
		return nil, err
	}
	return &account.Account{Name: name, UID: ids[0], GID: ids[1], Home: fields[5], Shell: fields[6]}, nil
}

func addID(ids []uint32, text string) ([]uint32, error) {
	id, err := strconv.ParseUint(text, 10, 32)
	if err != nil || id == 1<<32-1 { // which means "as it is" to the system
		return nil, fmt.Errorf("the system's answer is not understood: %.20q is no number of an account", text)
	}
	return append(ids, uint32(id)), nil
}

// fromFiles reads /etc/passwd and /etc/group.
func fromFiles(name string) (*account.Account, error) {
	u, err := user.Lookup(name)
	if _, unknown := errors.AsType[user.UnknownUserError](err); unknown {
		return nil, ErrNoAccount
	}
	if err != nil {
		return nil, err
	}
	groups, err := u.GroupIds()
	if err != nil {
		return nil, err
	}
	a, err := parsePasswd(name, strings.Join([]string{name, "", u.Uid, u.Gid, "", u.HomeDir, ""}, ":"))
	for _, g := range groups {
		if err == nil {
			a.Groups, err = addID(a.Groups, g)
		}
	}
	return a, err
}

// query runs a program that answers in one line.
func query(program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), lookupPatience)
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	cmd.WaitDelay = time.Second
	cmd.Stdout = &limited{w: &out, left: lookupLimit}
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("%s did not answer within %s", program, lookupPatience)
	case err != nil:
		return "", fmt.Errorf("asking %s: %w", program, err)
	}
	return out.String(), nil
}

// limited is a writer that fails when too much is written.
type limited struct {
	w    io.Writer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, errors.New("the answer is too long")
	}
	return l.w.Write(p)
}
