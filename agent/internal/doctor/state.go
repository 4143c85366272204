package doctor

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"strings"

	"github.com/mantledeploy/mantle/agent/internal/audit"
	"github.com/mantledeploy/mantle/agent/internal/daemon"
	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/hostservice"
	"github.com/mantledeploy/mantle/agent/internal/pending"
	"github.com/mantledeploy/mantle/agent/internal/policy"
	"github.com/mantledeploy/mantle/agent/internal/trust"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// lookAtHome looks who could read or change what belongs to the owner. That .tentacle itself is closed is
// checked by opening the home.
func lookAtHome(ctx context.Context, m Machine) []Finding {
	if runtime.GOOS == "windows" {
		return well("%s is there; who may open .tentacle is told by its access list (icacls)", m.Home.Dir())
	}
	all := unusable(m)
	for _, path := range []string{m.Home.Key(), m.Home.Trust(), m.Home.Config()} {
		info, err := os.Lstat(path)
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			all = append(all, bad(Warn, "chmod 0600 "+path, "%s has mode %04o and is for the Tentacle's user alone", path, info.Mode().Perm())...)
		}
	}
	all = append(all, untrusted(ctx, m)...)
	if len(all) == 0 {
		return well("%s and its state are closed to others, and the daemon's user can use them", m.Home.Dir())
	}
	return all
}

// lookAtLocks finds a command that hangs, and a daemon that ended without a word.
func lookAtLocks(_ context.Context, m Machine) []Finding {
	if err := m.Home.Change(func() error { return nil }); err != nil {
		return bad(Fail, "end the command that holds it (fuser "+m.Home.State("lock")+")", "%v", err)
	}
	if pid, err := home.ReadFile(m.Home.State("daemon"), 64); err == nil && !m.Running && len(pid) > 0 {
		return bad(Warn, "look for its reason in the service's log; nothing is to be removed, the next daemon takes over",
			"the last daemon (process %s) did not end by itself: it was killed, it crashed, or the machine lost power", strings.TrimSpace(string(pid)))
	}
	return well("nothing holds them that should not")
}

func lookAtIdentity(_ context.Context, m Machine) []Finding {
	id, err := daemon.LoadIdentity(m.Home)
	if err != nil {
		return bad(Fail, "tentacle certificate import FILE"+m.At+" from a backup, or tentacle certificate new"+m.At, "%v", err)
	}
	return well("operators know this machine by %s (SHA-1 %s)", id.SHA256, id.SHA1)
}

func lookAtTrust(_ context.Context, m Machine) []Finding {
	list, err := trust.Open(m.Home, slog.New(slog.DiscardHandler))
	if err != nil {
		return bad(Fail, "put the file back from a backup, or remove it and trust the operators again", "%v", err)
	}
	operators, err := list.Operators()
	switch {
	case err != nil:
		return bad(Fail, "put the file back from a backup, or remove it and trust the operators again", "%v", err)
	case len(operators) == 0:
		return bad(Fail, "tentacle trust add THUMBPRINT"+m.At, "no operator is trusted, so nobody can deploy here")
	}
	if _, err := pending.Read(m.Home); err != nil {
		return bad(Warn, "rm "+m.Home.Pending(), "who was refused is not known: %v", err)
	}
	return well("%d trusted; 'tentacle trust list%s' says whom", len(operators), m.At)
}

func lookAtPolicy(_ context.Context, m Machine) []Finding {
	apart, why := daemon.ScriptsRunApart(m.Home, m.Settings)
	list := policy.Open(policy.Config{Home: m.Home, Apart: apart})
	if err := m.Home.CheckReadable(m.Home.Policy()); err != nil {
		return bad(Fail, remedyOf(err), "nobody may do anything: %v", err)
	}
	if _, err := list.Policy(); err != nil {
		return bad(Fail, "mend it; 'tentacle policy check "+m.Home.Policy()+m.At+"' says what is wrong, and until then nobody may do anything", "%v", err)
	}
	standing := list.Standing()
	if standing == tentacle.PolicyAdvisory {
		return bad(Warn, "let scripts run as another user than the daemon (setting scriptUser)", "%s (%s)", policy.Explain(standing), why)
	}
	return well("%s", policy.Explain(standing))
}

// lookAtAudit looks whether the log is as it was written. That scripts could rewrite it is said of the policy, too.
func lookAtAudit(_ context.Context, m Machine) []Finding {
	report, err := audit.Verify(m.Home.Audit(), nil)
	switch {
	case err != nil:
		return bad(Warn, "run this as the user to whom the home belongs", "the audit log cannot be checked: %v", err)
	case len(report.Findings) > 0:
		return bad(Fail, "keep a copy of "+m.Home.Audit()+", then look: tentacle audit verify"+m.At, "the audit log is not as it was written: %s", report.Findings[0])
	case report.Head.Count == 0:
		return well("it has no line yet")
	}
	if apart, why := daemon.ScriptsRunApart(m.Home, m.Settings); !apart {
		return well("it holds (head %s), but is advisory: a script could rewrite it. %s", report.Head, why)
	}
	return well("it holds (head %s), and scripts cannot reach it", report.Head)
}

func lookAtDaemon(_ context.Context, m Machine) []Finding {
	switch {
	case !m.Running:
		return bad(Fail, "tentacle service start, or tentacle run"+m.At, "no daemon runs for this home")
	case m.PID == 0:
		return bad(Warn, "try again in a moment", "the daemon is only starting")
	}
	return well("it runs (process %d)", m.PID)
}

func lookAtService(ctx context.Context, m Machine) []Finding {
	s, err := hostservice.Open()
	if errors.Is(err, hostservice.ErrUnsupported) {
		return bad(Warn, "let whatever starts services here run 'tentacle run"+m.At+"'", "%v", err)
	}
	if err != nil {
		return bad(Warn, "run this as an administrator", "%v", err)
	}
	defer s.Close() //nolint:errcheck // nothing depends on it
	status, err := s.Status(ctx)
	switch {
	case err != nil && errors.Is(err, fs.ErrPermission):
		return bad(Warn, "run this as an administrator", "%v", err)
	case err != nil:
		return bad(Warn, "look at it with the service manager's own tools", "%v", err)
	case status.Installed == nil:
		return bad(Warn, "tentacle service install --start"+m.At, "no service is installed, so the daemon does not start with the machine")
	case status.Installed.Home != "" && status.Installed.Home != m.Home.Given() && status.Installed.Home != m.Home.Dir():
		return bad(Warn, "tentacle service install"+m.At+", if it is this home that should be served", "the installed service is for another home, %s", status.Installed.Home)
	case !status.Enabled:
		return bad(Warn, "tentacle service install"+m.At+" enables it again", "the service does not start with the machine")
	}
	return well("installed (%s), and it starts with the machine", status.Installed.Where)
}
