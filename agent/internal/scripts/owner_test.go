//go:build unix

package scripts

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// by does what a rig does for its operator, for another one.
func (r *rig) by(who string, cmd tentacle.StartScriptCommandV2) tentacle.ScriptStatusResponseV2 {
	r.t.Helper()
	long := halibut.TimeSpan(time.Minute)
	cmd.DurationToWaitForScriptToFinish = &long
	got, err := r.StartScript(context.Background(), who, cmd)
	if err != nil {
		r.t.Fatalf("StartScript: %v", err)
	}
	return got
}

// An operator that used another's ticket first, in whatever way, must not keep the other's script from running.
func TestOperatorsDoNotTakeEachOthersTickets(t *testing.T) {
	for name, squat := range map[string]func(r *rig){
		"it has run":              func(r *rig) { r.by(stranger, script("T", "echo theirs; exit 3")) },
		"it has run and is over":  func(r *rig) { r.by(stranger, script("T", "echo theirs")); r.completeBy(stranger, "t") },
		"it was cancelled before": func(r *rig) { r.must(r.cancelBy(stranger, "t")) },
		"the daemon was started anew": func(r *rig) {
			r.by(stranger, script("T", "echo theirs; exit 3"))
			r.restart()
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			squat(r)
			path, note := r.marker("ran")
			for range 2 { // the second start is of the same script
				r.want(r.by(operator, script("t", note+"echo mine; basename $PWD | cut -c-2; exit 4")), 4, "mine\nt@\n")
			}
			r.restart()
			r.want(r.status("t", 0), 4, "mine\nt@\n")
			r.completeScript("T")
			r.restart()
			r.want(r.start(script("t", note)), tentacle.ExitAlreadyCompleted, "! already completed, exit code 4\n")
			if got := content(path); got != "ran\n" {
				t.Errorf("it ran: %q", got)
			}
			for _, dir := range []string{r.inHome("Work"), r.inHome(".tentacle", "tickets")} {
				left, err := os.ReadDir(dir)
				for _, f := range left {
					if f.Name() != "T" && process.TicketOf(f.Name()) != "t" {
						t.Errorf("%s holds %s, %v", dir, f.Name(), err)
					}
				}
			}
		})
	}
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) completeBy(who, id string) {
	r.t.Helper()
	r.must(r.CompleteScript(context.Background(), who, tentacle.CompleteScriptCommandV2{Ticket: tentacle.ScriptTicket{TaskID: id}}))
	r.forgotten()
}

func TestBothOperatorsScriptsAreListedAndTheirLogsAreFound(t *testing.T) {
	r := newRig(t)
	r.by(stranger, script("t", "echo theirs"))
	r.by(operator, script("t", "echo mine"))
	h, err := home.Open(r.cfg.Home)
	r.must(err)
	seen, err := View(h, 10)
	if err != nil || len(seen) != 2 {
		t.Fatalf("%+v, %v", seen, err)
	}
	for _, s := range seen {
		want := map[string]string{operator: "mine", stranger: "theirs"}[s.Operator]
		log, err := OpenLog(h, s.Ticket)
		if err != nil {
			t.Errorf("%s: %v", s.Ticket, err)
			continue
		}
		if lines, _, _, err := log.Next(); err != nil || len(lines) != 1 || lines[0].Text != want {
			t.Errorf("%s: %+v, %v", s.Ticket, lines, err)
		}
	}
	for _, bad := range []string{"t@", "t@../../../x", "t@zzzzzzzzzzzzzzzz", "@0123456789abcdef"} {
		if _, err := OpenLog(h, bad); err == nil {
			t.Errorf("%q is a ticket", bad)
		}
	}
}

// A ticket whose journal cannot be read is nobody's: nobody gets its output or may forget it, and nothing runs under its name.
func TestATicketThatCannotBeReadIsNobodys(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Notice = time.Hour })
	r.start(script("a", "echo secret\n"+r.pidFile("$$", "a")+"sleep 300"))
	until(t, "its output", func() bool { return len(r.status("a", 0).Logs) > 0 })
	r.must(r.Close())
	command := r.ticketFile("a")
	whole := content(command)
	r.put(command, "{")
	r.open()
	_, note := r.marker("ran")
	for _, who := range []string{operator, stranger} {
		r.want(r.by(who, script("a", note)), tentacle.ExitLost, "! "+lostLine+"\n")
		r.completeBy(who, "a")
		got, err := r.GetStatus(context.Background(), who, tentacle.ScriptStatusRequestV2{Ticket: tentacle.ScriptTicket{TaskID: "a"}})
		r.must(err)
		r.want(got, tentacle.ExitLost, "! "+lostLine+"\n")
	}
	next := script("b", fmt.Sprintf("kill -0 %d 2>/dev/null && echo beside || echo alone", r.pid("a")))
	next.Isolation = tentacle.FullIsolation
	wait := halibut.TimeSpan(time.Second) // in which it would have run, if it could
	next.DurationToWaitForScriptToFinish = &wait
	if got := r.start(next); got.State != tentacle.Pending {
		t.Errorf("another script does not wait for it: state %d, %s", got.State, lines(got.Logs))
	}
	r.must(r.Close())
	r.put(command, whole)
	r.open()
	r.cancelScript("a")
	r.await("a", 0)
	r.want(r.await("b", 0), 0, "alone\n")
}

// An operator is told of its own deployments only, though each asks by the same ticket.
func TestAnInventoryIsOfItsOperatorsDeployments(t *testing.T) {
	r := stepRig(t)
	r.by(operator, bashStep(t, "deploys", "true"))
	for who, want := range map[string]int{operator: 1, stranger: 0} {
		cmd, err := step.Command(step.Plan{Ticket: "asks", Kind: step.KindInventory, Namespace: "n", Environment: "e", Project: "p", RunUID: "u", Step: "s"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		scanner := step.NewScanner(step.Nonce("asks"))
		for _, l := range r.by(who, cmd).Logs {
			scanner.Line(l.Source, l.Text)
		}
		got, ok := scanner.Inventory()
		if !ok || len(got.Installed) != want {
			t.Errorf("%s is told of %+v, %v", who, got.Installed, ok)
		}
	}
}
