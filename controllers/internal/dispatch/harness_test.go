package dispatch_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	wire "github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/dispatch"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// uid is that of the run that the actions belong to.
const uid types.UID = "run-uid"

// machine is a fake Tentacle and how to reach it.
type machine struct {
	*tentacletest.Fake
	session.Machine
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
	return machine{fake, session.Machine{Namespace: "shop", Name: "web-1", UID: "uid", Address: fake.Endpoint().Address, Thumbprint: fake.Endpoint().Thumbprint,
		Identity: &session.Identity{Namespace: "shop", Certificate: certificate, Thumbprint: operator}, ConnectTimeout: 5 * time.Second, RetryDuration: 10 * time.Second}}
}

// pool is a dispatcher with its sessions, and what it reported.
type pool struct {
	*dispatch.Dispatcher
	sessions *session.Pool

	mu      sync.Mutex
	reports map[string]dispatch.Report
	// told counts how often the owner was notified.
	told int
}

// setting changes what a pool is made with.
type setting func(*session.Config, *dispatch.Config)

func newPool(t testing.TB, settings ...setting) *pool {
	t.Helper()
	p := &pool{reports: map[string]dispatch.Report{}}
	s := session.Config{RetryPause: 20 * time.Millisecond, PollMin: 20 * time.Millisecond, PollMax: 100 * time.Millisecond, Wait: 2 * time.Second}
	d := dispatch.Config{RetryPause: 20 * time.Millisecond, PreparePause: 20 * time.Millisecond, CancelPause: 50 * time.Millisecond}
	for _, change := range settings {
		change(&s, &d)
	}
	tell := d.Notify
	d.Notify = func(o dispatch.Owner) {
		p.mu.Lock()
		p.told++
		p.mu.Unlock()
		if tell != nil {
			tell(o)
		}
	}
	p.sessions = session.NewPool(s)
	d.Sessions = p.sessions
	p.Dispatcher = dispatch.New(d)
	t.Cleanup(p.Close)
	return p
}

// defaults are those of a real operator.
func defaults(s *session.Config, d *dispatch.Config) { *s, *d = session.Config{}, dispatch.Config{} }

func (p *pool) Close() {
	p.Dispatcher.Close()
	p.sessions.Close()
}

// Report is what the run knows of an action after it has drained what is new.
func (p *pool) Report(ticket string) (dispatch.Report, bool) {
	reports := p.Drain(uid)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range reports {
		p.reports[r.Ticket] = r
	}
	r, known := p.reports[ticket]
	return r, known
}

func (p *pool) notified() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.told
}

// job is an action with what its run would answer.
type job struct {
	dispatch.Action
	Machine session.Machine
	Plan    step.Plan
	Secrets []string
	Content *session.Content
}

// Dispatch begins a job. What it does not say itself is answered with its fields.
func (p *pool) Dispatch(j *job) {
	a, m, prepared := j.Action, j.Machine, dispatch.Prepared{Plan: j.Plan, Secrets: j.Secrets, Content: j.Content}
	if a.Locate == nil {
		a.Locate = func(context.Context) (session.Machine, error) { return m, nil }
	}
	if a.Prepare == nil {
		a.Prepare = func(context.Context) (dispatch.Prepared, error) { return prepared, nil }
	}
	p.Dispatcher.Dispatch(a)
}

func runAction(m machine, ticket string) *job {
	return &job{Machine: m.Machine,
		Action: dispatch.Action{Ticket: ticket, Target: "web-1", Step: "install", Timeout: time.Minute, Log: &kept{},
			Owner: dispatch.Owner{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "run"}, UID: uid}},
		Plan: step.Plan{Version: step.Version, Ticket: ticket, Nonce: step.Nonce(ticket), Kind: step.KindRun, Namespace: "shop", Environment: "production",
			Project: "shop", Release: "1.0.0", Snapshot: "s", RunName: "run", RunUID: "u", Step: "install", Target: "web-1", TimeoutSeconds: 60,
			Run: &step.Run{Shell: step.Bash, Script: "true"}}}
}

// kept is a LogSink in memory that holds every entry once.
type kept struct {
	mu    sync.Mutex
	last  int64
	lines []string
	// aside are the lines that are not the step's own.
	aside []string
	// piece is the beginning of a line that goes on.
	piece string
}

func (k *kept) Append(seq int64, out []wire.ProcessOutput) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, entry := range out {
		n := seq
		if !entry.Continues {
			seq++
		}
		switch {
		case n <= k.last:
		case entry.Continues:
			k.piece += entry.Text
		case entry.Source == wire.Debug:
			k.last, k.piece, k.aside = n, "", append(k.aside, k.piece+entry.Text)
		default:
			k.last, k.piece, k.lines = n, "", append(k.lines, k.piece+entry.Text)
		}
	}
	return nil
}

func (k *kept) Size() int64 { return int64(len(k.text())) }

func (k *kept) Last() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.last
}

func (k *kept) text() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return strings.Join(k.lines, "\n")
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

// running and ended are what a report may be waited for.
func running(r dispatch.Report) bool { return !r.Ended() && !r.Begun.IsZero() }

func ended(r dispatch.Report) bool { return r.Ended() }

// waiting is a running action that waits for something.
func waiting(reason string) func(dispatch.Report) bool {
	return func(r dispatch.Report) bool { return !r.Ended() && r.Reason == reason }
}

// free is a running action that waits for nothing.
func free(r dispatch.Report) bool { return !r.Ended() && r.Reason == "" && r.Message == "" }

func await(t *testing.T, p *pool, ticket string, want func(dispatch.Report) bool) dispatch.Report {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if r, known := p.Report(ticket); known && want(r) {
			return r
		}
	}
	r, known := p.Report(ticket)
	t.Fatalf("not in time: %v %+v", known, r)
	return r
}

// eventually waits for something to become true.
func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !check(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
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

// calls counts those of a method that reached the machine.
func calls(m machine, method string) int {
	n := 0
	for _, c := range m.Calls() {
		if c == method {
			n++
		}
	}
	return n
}

// unsent checks that an action failed without anything being sent.
func unsent(t *testing.T, m machine, r dispatch.Report, reason string) {
	t.Helper()
	if r.Phase != v1alpha1.StepFailed || r.Sent || r.Reason != reason || steps(m) != 0 {
		t.Errorf("ended as %s, sent %v, %s (%s), ran %d times", r.Phase, r.Sent, r.Reason, r.Message, steps(m))
	}
}
