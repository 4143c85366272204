package doctor

import (
	"context"
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/hostservice"
)

// untrusted finds what keeps a daemon from serving the home: another account could change what the daemon obeys.
func untrusted(ctx context.Context, m Machine) []Finding {
	err := m.Home.CheckTrusted(daemonUser(ctx, m))
	if exposed, ok := errors.AsType[*home.ExposedError](err); ok {
		return bad(Fail, exposed.Remedy(), "no daemon is started for this home: %v", exposed)
	}
	if err != nil {
		return bad(Fail, "run this as the user to whom the home belongs, or as root", "%v", err)
	}
	return nil
}

// daemonUser is the number of the account as which the daemon runs, or would run: that of the service if there is one
// for the home, else the one that asks.
func daemonUser(ctx context.Context, m Machine) int {
	if m.Running && m.PID != 0 {
		if info, err := os.Stat(filepath.Join(m.Root, "proc", strconv.Itoa(m.PID))); err == nil {
			if uid, known := home.Owner(info); known {
				return int(uid)
			}
		}
	}
	if name, installed := serviceUser(ctx, m); installed {
		if name == "" {
			return 0
		}
		if u, err := user.Lookup(name); err == nil {
			if uid, err := strconv.Atoi(u.Uid); err == nil {
				return uid
			}
		}
	}
	return os.Geteuid()
}

// serviceUser is the account of the service that is installed for the home; an empty name is root.
func serviceUser(ctx context.Context, m Machine) (name string, installed bool) {
	s, err := hostservice.Open()
	if err != nil {
		return "", false
	}
	defer s.Close() //nolint:errcheck // nothing depends on it
	status, err := s.Status(ctx)
	if err != nil || status.Installed == nil || status.Installed.Home != m.Home.Given() && status.Installed.Home != m.Home.Dir() {
		return "", false
	}
	return status.Installed.User, true
}
