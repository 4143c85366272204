package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/account"
	"github.com/mantledeploy/mantle/agent/internal/deploy"
	"github.com/mantledeploy/mantle/agent/internal/journal"
	"github.com/mantledeploy/mantle/agent/internal/masking"
	"github.com/mantledeploy/mantle/api/step"
)

// session is one step while it is carried out.
type session struct {
	plan     step.Plan
	operator string // who had the step done, as the Tentacle says; empty where that is not Mantle's
	secrets  []string
	work     string // the folder that a script's files are in, where that is known before
	home     string
	began    time.Time
	masker   *masking.Masker
	out      *output
	warnings []string
	options  options
	place    place
	account  *account.Account // that scripts run as, and to which the home's applications belong; nil is this process's own
	env      []string         // of scripts, without what the step adds
	remote   bool             // this process is a worker, whose warnings are given by the one that started it
	// claim is the ticket's, where the Tentacle does not keep it; nil otherwise.
	claim *journal.Claim
	alone io.Closer // keeps other steps from running; until the process ends
}

// value is a plan's value with the secret that it may refer to.
func (s *session) value(v step.Value) string {
	if v.Secret != nil {
		return s.secrets[*v.Secret]
	}
	return v.Text
}

// warn shows a warning and keeps it for the result.
func (s *session) warn(text string) {
	text = s.masker.String(text)
	if len(s.warnings) < step.MaxWarnings {
		s.warnings = append(s.warnings, text)
	}
	if s.remote {
		return
	}
	s.out.raw(step.FormatWarning(text)...)
}

// journal opens the journal of the home, which is used with the rights of the account that it belongs to.
func (s *session) journal() (*journal.Journal, error) {
	if s.home == "" {
		return nil, fmt.Errorf("where the Tentacle's home is is not known: neither %s nor --home is set", step.EnvTentacleHome)
	}
	return journal.OpenAs(s.home, func(f func() error) error { return account.As(s.account, f) })
}

// append writes a row.
func (s *session) append(j *journal.Journal, row journal.Row) error {
	return j.Append(row, s.plan.Kind == step.KindDeploy)
}

// row is the journal's row of this step, without its phase.
func (s *session) row() journal.Row {
	p := s.plan
	return journal.Row{Operator: s.operator, Namespace: p.Namespace, Environment: p.Environment, Project: p.Project, Release: p.Release,
		Snapshot: p.Snapshot, Run: p.RunName, RunUID: p.RunUID, Step: p.Step, Kind: string(p.Kind), Target: p.Target,
		Ticket: p.Ticket, Final: p.Final}
}

// begin writes that a step begins. What has no such row must not be done.
func (s *session) begin(j *journal.Journal, row journal.Row) error {
	row.Phase, row.Time = journal.Started, time.Now().UTC()
	return s.append(j, row)
}

// end writes how a step ended. It was done by then, so a journal that cannot be written is a warning:
// the row of the beginning stays without an end, and counts as a step that did not end well.
func (s *session) end(j *journal.Journal, row journal.Row, r step.Result) {
	row.Phase, row.Time = journal.Succeeded, time.Now().UTC()
	if r.Reason != "" {
		row.Phase = journal.Failed
	}
	row.Reason, row.ExitCode, row.Skipped = r.Reason, r.ExitCode, r.Skipped
	if err := s.append(j, row); err != nil {
		s.warn("the end of this step is not in the machine's journal: " + err.Error())
	}
}

// failed is the result of an error, which it prints.
func (s *session) failed(ctx context.Context, err error) step.Result {
	reason, code := reasonOf(err)
	switch {
	case errors.Is(context.Cause(ctx), errTimedOut):
		reason, code, err = step.ReasonTimedOut, step.ExitTimedOut, fmt.Errorf("%w after %s", errTimedOut, s.plan.Timeout())
	case errors.Is(context.Cause(ctx), errCancelled):
		reason, code, err = step.ReasonCancelled, step.ExitCancelled, errCancelled
	case reason == "" && s.plan.Kind == step.KindDeploy:
		reason = step.ReasonDeployFailed
	case reason == "":
		reason = step.ReasonEngineFailed
	}
	s.out.printError(err.Error())
	return step.Result{ExitCode: code, Reason: reason}
}

// reasonOf is the reason that an error has of itself, empty for none, and the exit code that goes with it.
func reasonOf(err error) (reason string, code int) {
	if own, ok := errors.AsType[*reasonError](err); ok {
		reason = own.reason
	}
	if _, ok := errors.AsType[*interpreterError](err); ok {
		reason = step.ReasonInterpreterNotFound
	}
	if deployment, ok := errors.AsType[*deploy.Error](err); ok {
		reason = deployment.Reason
	}
	if reason == step.ReasonInterpreterNotFound {
		return reason, step.ExitNotFound
	}
	return reason, step.ExitFailed
}

// finish prints outputs and result. The result is the last line, whatever becomes of the rest.
func (s *session) finish(r step.Result) {
	var lines []string
	s.out.close()
	if why := s.out.stdout.messages.warning(); why != "" {
		s.warn(why)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Outputs)) {
		line, err := step.FormatOutput(s.plan.Nonce, name, r.Outputs[name])
		if err != nil {
			r.OutputsCut = true
			s.warn(err.Error())
			continue
		}
		lines = append(lines, line)
	}
	r.Warnings = s.warnings
	r.Seconds = time.Since(s.began).Seconds()
	if r.Reason != "" {
		r.Tail = s.out.tailText()
	}
	if line, err := step.FormatResult(s.plan.Nonce, r); err == nil {
		lines = append(lines, line)
	}
	if s.claim != nil {
		if err := s.claim.Finish(journal.End{ExitCode: r.ExitCode, Lines: lines}); err != nil {
			s.warn("the end of this step cannot be told again: " + err.Error())
		}
	}
	s.out.raw(lines...)
}
