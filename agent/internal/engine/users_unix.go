//go:build unix

package engine

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"

	"github.com/mantledeploy/mantle/agent/internal/account"
	"github.com/mantledeploy/mantle/agent/internal/process"
)

// fallbackTemp is where every user may make folders.
const fallbackTemp = "/tmp"

func rootOf(string) string { return "/" }

// runsAs finds the account of that name, and says whether this process itself starts a script as it: because it, or
// its scripts, run as the account already, or because it is a supervisor that may become it. A supervisor whose scripts
// have a user of their own becomes neither root nor itself, who could take over what scripts are kept from: it asks sudo,
// as the user of scripts.
func (s *session) runsAs(name string) (a *account.Account, own bool, err error) {
	if a, err = process.LookupAccount(name); err != nil {
		return nil, false, fmt.Errorf("the step is to run as %s: %w", name, err)
	}
	switch {
	case s.account != nil && s.account.UID == a.UID:
		return s.account, true, nil
	case s.account == nil && a.IsSelf():
		return nil, true, nil
	case s.apart(a):
		return a, false, nil
	}
	_, supervised := s.place.(supervised)
	return a, supervised && process.MayBecome(a) == nil, nil
}

// apart says whether a is an account that scripts are kept from.
func (s *session) apart(a *account.Account) bool {
	return s.account != nil && (a.UID == 0 || a.IsSelf())
}

// findWorker returns who can run a job as account a of that name: a worker that is started as it, where this process
// has the rights for that, or one that sudo starts.
func (s *session) findWorker(name string, a *account.Account) (*worker, error) {
	argv, err := s.place.engine()
	if err != nil {
		return nil, err
	}
	argv = append(argv[:len(argv):len(argv)], "--worker")
	if !s.apart(a) && process.MayBecome(a) == nil {
		return s.startWorker(a, "", argv...)
	}
	remedy := "let the owner of the machine run the Tentacle as root or with CAP_SETUID, CAP_SETGID and CAP_KILL, or allow it in sudoers by"
	if a.UID == 0 { // whom those rights are not used for
		remedy = "let the owner of the machine allow it in sudoers by"
	}
	remedy = fmt.Sprintf("%s '%s ALL=(%s) NOPASSWD: %s step --worker'", remedy, s.ownName(), name, argv[0])
	sudo, err := exec.LookPath("sudo")
	if err != nil {
		return nil, fmt.Errorf("the step is to run as %s, which this Tentacle may not, and there is no sudo: %s", name, remedy)
	}
	return s.startWorker(s.account, remedy, append([]string{sudo, "-n", "-u", name, "--"}, argv...)...)
}

// ownName is the name of the account that scripts run as.
func (s *session) ownName() string {
	if s.account != nil {
		return s.account.Name
	}
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return strconv.Itoa(os.Geteuid())
}
