package tentacletest

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// Subject is a Tentacle that listens and is to be held to the contracts. It needs a Bash that is found as
// /bin/bash, and 100 MB of disk.
type Subject struct {
	// Endpoint is where it listens, with its pin.
	Endpoint halibut.Endpoint
	// Operators are two identities that it trusts; NewCertificate makes some.
	Operators [2]tls.Certificate
	// Home is its home folder where the suite may look into it and make files there; empty leaves out the
	// cases that need it.
	Home string
}

const (
	// caseTime bounds each case of the suite.
	caseTime = 4 * time.Minute
	// atOnce is how many cases run beside one another: a Tentacle bounds the connections of one address.
	atOnce = 6
)

// Run holds a Tentacle to the rules of package tentacle, over the wire. start is called once and ends what it
// started by t.Cleanup; the cases run in parallel against it, each with tickets and mutexes of its own. With
// -short the cases are left out that move much output or wait for ten seconds.
func Run(t *testing.T, start func(t *testing.T) Subject) {
	s := start(t)
	var clients [2]*halibut.Client
	for i, c := range s.Operators {
		clients[i] = halibut.NewClient(halibut.ClientConfig{Certificate: c, SpoolDir: t.TempDir()})
		t.Cleanup(clients[i].Close)
	}
	places := make(chan struct{}, atOnce)
	t.Run("conformance", func(t *testing.T) {
		for _, c := range slices.Concat(startCases(), outputCases(), isolationCases(), cancelCases(),
			completeCases(), ownerCases(), waitCases(), fileCases(), requestCases(), v1Cases()) {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				if c.long && testing.Short() {
					t.Skip("long")
				}
				if c.home && s.Home == "" {
					t.Skip("the subject shows no home")
				}
				places <- struct{}{}
				defer func() { <-places }()
				ctx, cancel := context.WithTimeout(t.Context(), caseTime)
				defer cancel()
				c.run(&harness{
					T: t, ctx: ctx, subject: s, wire: clients[0],
					a: tentacle.NewClient(clients[0], s.Endpoint), b: tentacle.NewClient(clients[1], s.Endpoint),
					mutex: "suite-" + rand.Text(),
				})
			})
		}
	})
}

type testCase struct {
	name       string
	run        func(h *harness)
	long, home bool
}

// harness is what a case works with: clients of two operators, and a mutex that is its own.
type harness struct {
	*testing.T
	ctx     context.Context //nolint:containedctx // It lives as long as one case.
	subject Subject
	wire    *halibut.Client
	a, b    *tentacle.Client
	mutex   string
	// gaps allows that numbers are missing where output was cut.
	gaps bool
}

// scratch is a folder that scripts can write to, whatever user they run as.
func (h *harness) scratch() string {
	h.Helper()
	dir := h.TempDir()
	for _, at := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(at, 0o777); err != nil { // #nosec G302 -- that is what it is for
			h.Fatal(err)
		}
	}
	return dir
}

func (h *harness) ticket() tentacle.ScriptTicket {
	return tentacle.ScriptTicket{TaskID: "suite-" + strings.ToLower(rand.Text())}
}

// command is a script that nobody needs to wait for.
func (h *harness) command(body string) tentacle.StartScriptCommandV2 {
	return tentacle.StartScriptCommandV2{
		ScriptTicket: h.ticket(), ScriptBody: body, TaskID: "ServerTasks-1",
		Isolation: tentacle.NoIsolation, IsolationMutexName: &h.mutex,
	}
}

// exclusive is a script that shares the case's mutex with no other.
func (h *harness) exclusive(body string) tentacle.StartScriptCommandV2 {
	c := h.command(body)
	c.Isolation = tentacle.FullIsolation
	return c
}

func (h *harness) start(c tentacle.StartScriptCommandV2) tentacle.ScriptStatusResponseV2 {
	h.Helper()
	r, err := h.a.StartScript(h.ctx, c)
	if err != nil {
		h.Fatalf("starting %s: %v", c.ScriptTicket.TaskID, err)
	}
	r.Logs = h.checkRange(r, c.ScriptTicket, 0)
	h.Cleanup(func() { h.tidy(c.ScriptTicket) })
	return r
}

// tidy ends what a case left behind.
func (h *harness) tidy(k tentacle.ScriptTicket) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, _ = h.a.CancelScript(ctx, tentacle.CancelScriptCommandV2{Ticket: k})
}

func (h *harness) status(k tentacle.ScriptTicket, last int64) tentacle.ScriptStatusResponseV2 {
	h.Helper()
	r, err := h.a.GetStatus(h.ctx, tentacle.ScriptStatusRequestV2{Ticket: k, LastLogSequence: last})
	if err != nil {
		h.Fatalf("asking for the status of %s: %v", k.TaskID, err)
	}
	r.Logs = h.checkRange(r, k, last)
	return r
}

func (h *harness) cancel(k tentacle.ScriptTicket) tentacle.ScriptStatusResponseV2 {
	h.Helper()
	r, err := h.a.CancelScript(h.ctx, tentacle.CancelScriptCommandV2{Ticket: k})
	if err != nil {
		h.Fatalf("cancelling %s: %v", k.TaskID, err)
	}
	r.Logs = h.checkRange(r, k, 0)
	return r
}

func (h *harness) complete(k tentacle.ScriptTicket) {
	h.Helper()
	if err := h.a.CompleteScript(h.ctx, tentacle.CompleteScriptCommandV2{Ticket: k}); err != nil {
		h.Fatalf("completing %s: %v", k.TaskID, err)
	}
}

// checkRange holds every response to the rules of the numbering. It returns the lines without what a Tentacle itself tells of a
// script, which it may.
func (h *harness) checkRange(r tentacle.ScriptStatusResponseV2, k tentacle.ScriptTicket, last int64) []tentacle.ProcessOutput {
	h.Helper()
	if r.Ticket != k {
		h.Fatalf("asked for ticket %q, the response is of %q", k.TaskID, r.Ticket.TaskID)
	}
	want := last + int64(len(r.Logs))
	if r.NextLogSequence != want && (!h.gaps || r.NextLogSequence < want) {
		h.Fatalf("%d entries after number %d, but NextLogSequence is %d and not %d", len(r.Logs), last, r.NextLogSequence, want)
	}
	cost := 0
	for _, o := range r.Logs {
		cost += tentacle.EntryCost(o)
		if len(o.Text) > tentacle.MaxLine {
			h.Fatalf("an entry has %d bytes", len(o.Text))
		}
	}
	if cost > tentacle.MaxStatus {
		h.Fatalf("a response carries %d bytes of output", cost)
	}
	return slices.DeleteFunc(r.Logs, func(o tentacle.ProcessOutput) bool { return o.Source == tentacle.Debug })
}

// result is a script that has ended, with its whole output.
type result struct {
	exitCode int32
	logs     []tentacle.ProcessOutput
}

// lines are those of one stream.
func (r result) lines(source tentacle.ProcessOutputSource) []string {
	lines := []string{}
	for _, o := range r.logs {
		if o.Source == source {
			lines = append(lines, o.Text)
		}
	}
	return lines
}

// follow reads a script to its end.
func (h *harness) follow(k tentacle.ScriptTicket) result {
	h.Helper()
	var all []tentacle.ProcessOutput
	last := int64(0)
	for {
		r := h.status(k, last)
		last = r.NextLogSequence
		all = append(all, r.Logs...)
		if r.State == tentacle.Complete {
			return result{r.ExitCode, all}
		}
		if len(r.Logs) == 0 {
			h.nap()
		}
	}
}

// run starts a script and reads it to its end.
func (h *harness) run(c tentacle.StartScriptCommandV2) result {
	h.Helper()
	h.start(c)
	return h.follow(c.ScriptTicket)
}

// again repeats what failed before anything was sent: with many connections at once a Tentacle may close some.
func (h *harness) again(call func() error) error {
	for {
		err := call()
		if _, ok := errors.AsType[*halibut.ConnectError](err); !ok {
			return err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-h.ctx.Done():
			return err
		}
	}
}

// nap is the distance between two looks at something that is expected.
func (h *harness) nap() {
	h.Helper()
	select {
	case <-time.After(20 * time.Millisecond):
	case <-h.ctx.Done():
		h.Fatal("what was expected did not come in time")
	}
}

// until polls the status until it is as wanted.
func (h *harness) until(k tentacle.ScriptTicket, wanted func(tentacle.ScriptStatusResponseV2) bool) tentacle.ScriptStatusResponseV2 {
	h.Helper()
	for {
		if r := h.status(k, 0); wanted(r) {
			return r
		}
		h.nap()
	}
}

// refused checks a script that a Tentacle itself ended, or never began, and told why.
func (h *harness) refused(r tentacle.ScriptStatusResponseV2, exitCode int32) {
	h.Helper()
	if r.State != tentacle.Complete || r.ExitCode != exitCode {
		h.Fatalf("state %d and exit code %d, wanted Complete and %d: %v", r.State, r.ExitCode, exitCode, r.Logs)
	}
	lines := result{logs: r.Logs}.lines(tentacle.StdErr)
	if len(lines) != 1 || lines[0] == "" {
		h.Fatalf("wanted one line on StdErr that says why, got %q", lines)
	}
}

// unknown checks the answer for a ticket that does not exist to the caller.
func (h *harness) unknown(r tentacle.ScriptStatusResponseV2, last int64) {
	h.Helper()
	if r.State != tentacle.Complete || r.ExitCode != tentacle.ExitUnknownScript || len(r.Logs) != 0 || r.NextLogSequence != last {
		h.Fatalf("wanted Complete, %d and no output, got %+v", tentacle.ExitUnknownScript, r)
	}
}

func seconds(n float64) *halibut.TimeSpan {
	d := halibut.TimeSpan(n * float64(time.Second))
	return &d
}
