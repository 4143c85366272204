package tentacle_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	wire "github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
	"github.com/mantledeploy/mantle/controllers/internal/tentacle"
)

// machine is a fake Tentacle and how to reach it.
type machine struct {
	*tentacletest.Fake
	tentacle.Machine
}

func newMachine(t *testing.T, script tentacletest.Script, change ...func(*tentacletest.Options)) machine {
	t.Helper()
	certificate, operator := tentacletest.NewCertificate(t, "operator")
	o := tentacletest.Options{Trusted: []halibut.Thumbprint{operator}, Script: script,
		Facts: wire.Facts{Version: "test", OS: "linux", Arch: "amd64", Engine: step.Version}}
	for _, c := range change {
		c(&o)
	}
	fake := tentacletest.StartFake(t, o)
	return machine{fake, tentacle.Machine{Namespace: "shop", Name: "web-1", UID: "uid", Address: fake.Endpoint().Address, Thumbprint: fake.Endpoint().Thumbprint,
		Identity: &tentacle.Identity{Namespace: "shop", Certificate: certificate, Thumbprint: operator}, ConnectTimeout: 5 * time.Second, RetryDuration: 10 * time.Second}}
}

func newPool(t *testing.T) *tentacle.Pool {
	t.Helper()
	p := tentacle.NewPool(tentacle.Config{RetryPause: 20 * time.Millisecond, PollMin: 20 * time.Millisecond, PollMax: 100 * time.Millisecond, Wait: 2 * time.Second})
	t.Cleanup(p.Close)
	return p
}

// kept is a LogSink in memory that holds every entry once.
type kept struct {
	mu    sync.Mutex
	last  int64
	lines []string
	// aside are the lines that are not the step's own.
	aside []string
}

func (k *kept) Append(seq int64, out []wire.ProcessOutput) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, entry := range out {
		if n := seq + int64(i); n > k.last {
			k.last = n
			if entry.Source == wire.Debug {
				k.aside = append(k.aside, entry.Text)
				continue
			}
			k.lines = append(k.lines, entry.Text)
		}
	}
	return nil
}

func (k *kept) Size() int64 { return int64(len(k.text())) }

func (k *kept) text() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return strings.Join(k.lines, "\n")
}

func runAction(m machine, ticket string) tentacle.Action {
	return tentacle.Action{Ticket: ticket, Machine: m.Machine, Timeout: time.Minute, Log: &kept{}, Owner: types.NamespacedName{Name: "run"},
		Plan: step.Plan{Version: step.Version, Ticket: ticket, Nonce: step.Nonce(ticket), Kind: step.KindRun, Namespace: "shop", Environment: "production",
			Project: "shop", Release: "1.0.0", Snapshot: "s", RunName: "run", RunUID: "u", Step: "install", Target: "web-1", TimeoutSeconds: 60,
			Run: &step.Run{Shell: step.Bash, Script: "true"}}}
}

// engine is a script that behaves as the engine does: lines, then the result.
func engine(exit int, reason string, lines ...string) tentacletest.Script {
	return func(_ context.Context, e *tentacletest.Execution) int32 {
		var p step.Plan
		if err := json.Unmarshal(e.Files[step.PlanFile], &p); err != nil {
			return 99
		}
		for _, line := range lines {
			e.Print(wire.StdOut, line)
		}
		if p.Kind == step.KindInventory {
			rows, _ := step.FormatInventory(p.Nonce, step.Inventory{OS: "linux", Arch: "amd64"})
			for _, row := range rows {
				e.Print(wire.StdOut, row)
			}
		}
		last, _ := step.FormatResult(p.Nonce, step.Result{ExitCode: exit, Reason: reason, Tail: strings.Join(lines, "\n")})
		e.Print(wire.StdOut, last)
		return int32(exit)
	}
}

func await(t *testing.T, p *tentacle.Pool, ticket string, want tentacle.State) tentacle.Report {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if r, known := p.Report(ticket); known && r.State == want {
			return r
		}
	}
	r, known := p.Report(ticket)
	t.Fatalf("not %s in time: %v %+v", want, known, r)
	return r
}

// steps are the executions that were no inventory.
func steps(m machine) int {
	n := 0
	for _, e := range m.Executions() {
		if bytes.Contains(e.Files[step.PlanFile], []byte(`"kind":"run"`)) || bytes.Contains(e.Files[step.PlanFile], []byte(`"kind":"deploy"`)) {
			n++
		}
	}
	return n
}

// stopping is what a Tentacle answers whose service ends (halibut.md section 8.1).
func stopping(context.Context, net.Conn) error {
	return errors.New("The Tentacle service is shutting down and cannot process this request.") //nolint:revive // Octopus's words
}

func TestAnActionRunsOnce(t *testing.T) {
	faults := map[string]func(machine){
		"in peace":                           func(machine) {},
		"dropped before StartScript":         func(m machine) { m.Inject(tentacletest.Before("StartScript"), 2, tentacletest.Drop) },
		"dropped after StartScript":          func(m machine) { m.Inject(tentacletest.After("StartScript"), 2, tentacletest.Drop) },
		"dropped while it is followed":       func(m machine) { m.Inject(tentacletest.Before("WaitForStatus"), 2, tentacletest.Drop) },
		"dropped before the last answer":     func(m machine) { m.Inject(tentacletest.After("WaitForStatus"), 2, tentacletest.Drop) },
		"dropped at the capabilities":        func(m machine) { m.Inject(tentacletest.Before("GetCapabilities"), 1, tentacletest.Drop) },
		"shutting down at the capabilities":  func(m machine) { m.Inject(tentacletest.Before("GetCapabilities"), 2, stopping) },
		"shutting down at StartScript":       func(m machine) { m.Inject(tentacletest.Before("StartScript"), 2, stopping) },
		"shutting down while it is followed": func(m machine) { m.Inject(tentacletest.Before("WaitForStatus"), 2, stopping) },
		"the first connection is dropped": func(m machine) {
			m.Behave(tentacletest.ClosesAfterTLS)
			time.AfterFunc(300*time.Millisecond, func() { m.Behave(tentacletest.Works) })
		},
	}
	for name, inject := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, p := newMachine(t, engine(0, "", "one", "", "three")), newPool(t)
			inject(m)
			a := runAction(m, "t1")
			p.Dispatch(a)
			p.Dispatch(a)
			r := await(t, p, "t1", tentacle.Ended)
			if r.Outcome != tentacle.OutcomeSucceeded || steps(m) != 1 {
				t.Errorf("ended as %s (%s), ran %d times", r.Outcome, r.Message, steps(m))
			}
			if got := a.Log.(*kept).text(); got != "one\n\nthree" || r.LogSize != int64(len(got)) {
				t.Errorf("output %q, told as %d bytes", got, r.LogSize)
			}
		})
	}
}

func TestHowAnActionEnds(t *testing.T) {
	plain := func(code int32) tentacletest.Script {
		return func(_ context.Context, e *tentacletest.Execution) int32 { e.Print(wire.StdErr, "why"); return code }
	}
	refuse := func(_ context.Context, e *tentacletest.Execution) int32 {
		e.Print(wire.StdErr, "The script is "+wire.RefusedByPolicy("hours", "not now"))
		return wire.ExitRefused
	}
	tests := map[string]struct {
		script  tentacletest.Script
		outcome tentacle.Outcome
		reason  string
		exit    int32
	}{
		"the script fails":              {engine(3, step.ReasonExitCode, "boom"), tentacle.OutcomeFailed, "ExitCode", 3},
		"the script times out":          {engine(124, step.ReasonTimedOut), tentacle.OutcomeTimedOut, "TimedOut", 124},
		"the engine is not there":       {plain(127), tentacle.OutcomeFailed, "EngineFailed", 127},
		"the end without a result":      {plain(0), tentacle.OutcomeLost, "Lost", 0},
		"the machine refuses":           {plain(wire.ExitRefused), tentacle.OutcomeRefused, "Refused", -1},
		"the machine's policy refuses":  {refuse, tentacle.OutcomeRefused, "RefusedByPolicy", -1},
		"the machine lost it":           {plain(wire.ExitLost), tentacle.OutcomeLost, "Lost", -1},
		"the machine abandoned it":      {plain(wire.ExitAbandoned), tentacle.OutcomeAbandoned, "Abandoned", -1},
		"the machine was busy":          {plain(wire.ExitTimeout), tentacle.OutcomeTimedOut, "MutexTimedOut", -1},
		"the machine forgot the result": {plain(wire.ExitUnknownResult), tentacle.OutcomeLost, "Lost", -1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, p := newMachine(t, tt.script), newPool(t)
			p.Dispatch(runAction(m, "t1"))
			r := await(t, p, "t1", tentacle.Ended)
			exit := int32(-1)
			if r.ExitCode != nil {
				exit = *r.ExitCode
			}
			if r.Outcome != tt.outcome || r.Reason != tt.reason || exit != tt.exit {
				t.Errorf("ended as %s %s %d (%s)", r.Outcome, r.Reason, exit, r.Message)
			}
		})
	}
}

func TestWhatSurelyDidNotBeginIsUnsent(t *testing.T) {
	for name, tt := range map[string]struct {
		behave tentacletest.Behaviour
		reason string
	}{
		"not trusted": {tentacletest.ClosesAfterTLS, "OperatorNotTrusted"}, "another certificate": {tentacletest.WrongCertificate, "ThumbprintMismatch"},
		"no TLS": {tentacletest.NotTLS, "TLSFailed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, p := newMachine(t, engine(0, "")), newPool(t)
			m.Behave(tt.behave)
			a := runAction(m, "t1")
			a.Machine.RetryDuration = 300 * time.Millisecond
			p.Dispatch(a)
			r := await(t, p, "t1", tentacle.Ended)
			if r.Outcome != tentacle.OutcomeUnsent || r.Reason != tt.reason || steps(m) != 0 {
				t.Errorf("%s %s (%s), ran %d times", r.Outcome, r.Reason, r.Message, steps(m))
			}
		})
	}
}

func TestAnotherProcessTakesUp(t *testing.T) {
	release := make(chan struct{})
	m := newMachine(t, tentacletest.Holds(release, engine(0, "", "whole")))
	first := newPool(t)
	first.Dispatch(runAction(m, "t1"))
	await(t, first, "t1", tentacle.Running)
	first.Close()
	second := newPool(t)
	a := runAction(m, "t1")
	a.Resume = true
	second.Dispatch(a)
	await(t, second, "t1", tentacle.Running)
	close(release)
	r := await(t, second, "t1", tentacle.Ended)
	if r.Outcome != tentacle.OutcomeSucceeded || steps(m) != 1 || a.Log.(*kept).text() != "whole" {
		t.Errorf("%s, ran %d times, output %q", r.Outcome, steps(m), a.Log.(*kept).text())
	}
}

func TestTakingUpWhatNeverBegan(t *testing.T) {
	m, p := newMachine(t, engine(0, "")), newPool(t)
	a := runAction(m, "t1")
	a.Resume = true
	p.Dispatch(a)
	if r := await(t, p, "t1", tentacle.Ended); r.Outcome != tentacle.OutcomeSucceeded || steps(m) != 1 {
		t.Errorf("%s, ran %d times", r.Outcome, steps(m))
	}
}

func TestACompletedTicketBringsItsExitCode(t *testing.T) {
	m, p := newMachine(t, engine(3, step.ReasonExitCode)), newPool(t)
	p.Dispatch(runAction(m, "t1"))
	await(t, p, "t1", tentacle.Ended)
	p.Complete(m.Machine, "t1")
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if calls := strings.Join(m.Calls(), " "); strings.Contains(calls, "CompleteScript") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("never completed")
		}
	}
	second := newPool(t)
	second.Dispatch(runAction(m, "t1"))
	r := await(t, second, "t1", tentacle.Ended)
	if r.Outcome != tentacle.OutcomeFailed || r.ExitCode == nil || *r.ExitCode != 3 || steps(m) != 1 {
		t.Errorf("%+v, ran %d times", r, steps(m))
	}
}

func TestCancel(t *testing.T) {
	m, p := newMachine(t, tentacletest.Holds(make(chan struct{}), engine(0, ""))), newPool(t)
	p.Dispatch(runAction(m, "t1"))
	await(t, p, "t1", tentacle.Running)
	p.Cancel("t1")
	if r := await(t, p, "t1", tentacle.Ended); r.Outcome != tentacle.OutcomeCancelled {
		t.Errorf("ended as %s (%s)", r.Outcome, r.Message)
	}
}

func TestContentIsSentOnce(t *testing.T) {
	m, p := newMachine(t, engine(0, "")), newPool(t)
	sha := strings.Repeat("ab", 32)
	for _, ticket := range []string{"t1", "t2"} {
		a := runAction(m, ticket)
		a.Content = &tentacle.Content{SHA256: sha, Format: "tar", Size: 7, Path: step.ContentPath(sha, "tar"),
			Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("content")), nil }}
		p.Dispatch(a)
		if r := await(t, p, ticket, tentacle.Ended); r.Outcome != tentacle.OutcomeSucceeded {
			t.Fatalf("%s (%s)", r.Outcome, r.Message)
		}
	}
	if got, _ := m.File(step.ContentPath(sha, "tar")); string(got) != "content" {
		t.Errorf("the machine has %q", got)
	}
	uploads := strings.Count(strings.Join(m.Calls(), " "), "UploadFile")
	if uploads != 1 {
		t.Errorf("sent %d times", uploads)
	}
}

func TestPolledWhereWaitIsMissing(t *testing.T) {
	m, p := newMachine(t, engine(0, "", "a"), func(o *tentacletest.Options) { o.WithoutWait = true }), newPool(t)
	p.Dispatch(runAction(m, "t1"))
	if r := await(t, p, "t1", tentacle.Ended); r.Outcome != tentacle.OutcomeSucceeded {
		t.Errorf("%s (%s)", r.Outcome, r.Message)
	}
}

func TestProbe(t *testing.T) {
	m, p := newMachine(t, engine(0, "")), newPool(t)
	probe, err := p.Probe(t.Context(), m.Machine)
	if err != nil || !m.Thumbprint.Matches(probe.Certificate) || probe.Facts.OS != "linux" {
		t.Fatalf("%+v, %v", probe, err)
	}
	unpinned := m.Machine
	unpinned.Thumbprint = ""
	_, err = p.Probe(t.Context(), unpinned)
	var connect *halibut.ConnectError
	if !errors.As(err, &connect) || connect.Presented == nil || connect.Stage != "ThumbprintMissing" {
		t.Errorf("without a pin: %v", err)
	}
	inventory, err := p.Inventory(t.Context(), m.Machine)
	if err != nil || inventory.OS != "linux" {
		t.Errorf("%+v, %v", inventory, err)
	}
}
