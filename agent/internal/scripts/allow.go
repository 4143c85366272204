package scripts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/mantledeploy/mantle/agent/internal/policy"
	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/agent/internal/process/output"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// refusedError is a script that its operator may not run.
type refusedError struct{ reason error }

// Error is the line that the operator gets.
func (e refusedError) Error() string {
	if _, byRule := errors.AsType[*policy.Refusal](e.reason); byRule {
		return fmt.Sprintf("The script is %s", e.reason)
	}
	return fmt.Sprintf("The script is refused: %s", e.reason)
}

// Unwrap is why, which may name a rule.
func (e refusedError) Unwrap() error { return e.reason }

// refusedWith is the exit code and the line for an error that is a refusal; 0 for others, which may pass.
func refusedWith(err error) (code int32, line string) {
	if bad, ok := errors.AsType[badStartError](err); ok {
		return bad.code, bad.why
	}
	if refused, ok := errors.AsType[refusedError](err); ok {
		return tentacle.ExitRefused, refused.Error()
	}
	return 0, ""
}

// judge finds out what a start asks for, keeps it with the ticket, and asks whether it is allowed.
func (s *Store) judge(ctx context.Context, t *ticket, cmd tentacle.StartScriptCommandV2, body string) (err error) {
	if err := checkSize(cmd); err != nil {
		return err
	}
	if t.record.Script, t.record.Plan, err = digests(cmd, body); err != nil {
		return err
	}
	if peer, ok := halibut.PeerFrom(ctx); ok && peer.Certificate != nil {
		t.record.SHA1 = string(halibut.SHA1Thumbprint(peer.Certificate))
	}
	if err := s.readCall(t, cmd); err != nil {
		return err
	}
	maxOutput, err := s.cfg.Allowed(t.start())
	if err != nil {
		return refusedError{err}
	}
	if maxOutput > 0 {
		t.record.Process.Output = output.Within(maxOutput)
	}
	return nil
}

// readCall takes a call of the engine apart, and has the supervisor carry it out. The plan that is judged is the one that is
// carried out: no script can get at it in between.
func (s *Store) readCall(t *ticket, cmd tentacle.StartScriptCommandV2) error {
	plan, secrets, ok := step.IsCall(cmd, runtime.GOOS)
	if !ok {
		return nil
	}
	if len(s.cfg.Engine) > 0 {
		t.record.Process.Path, t.record.Process.CommandLine = s.cfg.Engine[0], ""
		t.record.Process.Args = append([]string{}, s.cfg.Engine[1:]...)
		t.record.Process.Call = true
	}
	if tooLong(plan, secrets) {
		const problem = "plan or secrets are longer than an engine reads"
		t.record.Call, t.content = &policy.Call{Problem: problem}, &process.Content{Problem: problem}
		return nil
	}
	data, err := readStream(plan)
	if err != nil {
		return err
	}
	hidden, err := readStream(secrets)
	if err != nil {
		return err
	}
	t.record.Call = policy.CallOf(data)
	if problem := t.record.Call.Problem; len(problem) > maxProblem {
		t.record.Call.Problem = strings.ToValidUTF8(problem[:maxProblem], "")
	}
	t.content = &process.Content{Plan: data, Secrets: hidden}
	return nil
}

// tooLong says that an engine would not read a call, so nobody else has to.
func tooLong(plan, secrets *halibut.DataStream) bool {
	return plan.Len() > step.MaxPlanSize || secrets != nil && secrets.Len() > step.MaxSecretsSize
}

// readStream reads content whose length was looked at before; nil has none.
func readStream(d *halibut.DataStream) ([]byte, error) {
	if d == nil {
		return nil, nil
	}
	content, err := d.Open()
	if err != nil {
		return nil, fmt.Errorf("reading the plan: %w", err)
	}
	defer content.Close()
	data, err := io.ReadAll(io.LimitReader(content, d.Len()))
	if err != nil {
		return nil, fmt.Errorf("reading the plan: %w", err)
	}
	return data, nil
}

// start is the ticket as a policy sees it.
func (t *ticket) start() policy.Start {
	return policy.Start{Operator: halibut.Thumbprint(t.record.Operator), SHA1: halibut.Thumbprint(t.record.SHA1), Call: t.record.Call}
}

// enter asks whether a ticket may begin, now that its turn has come, and counts it from then on.
func (s *Store) enter(t *ticket) error {
	s.entering.Lock()
	defer s.entering.Unlock()
	start := t.start()
	start.Turn, start.Running = true, s.running(t)
	if _, err := s.cfg.Allowed(start); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entered = true
	return nil
}

// running counts the scripts of the ticket's operator, and of its sort, that run or are about to.
func (s *Store) running(t *ticket) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, other := range s.known {
		if other != t && other.record.Operator == t.record.Operator && other.isRunning() && other.record.Call.Query() == t.record.Call.Query() {
			n++
		}
	}
	return n
}

func (t *ticket) isRunning() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.phase == running || t.phase == recorded && t.entered
}
