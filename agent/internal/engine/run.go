package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mantledeploy/mantle/api/step"
)

// run runs a script, and gives the outputs that it declared.
func run(ctx context.Context, s *session) step.Result {
	j, err := s.journal()
	if err != nil {
		return s.failed(ctx, err)
	}
	row := s.row()
	if err := s.begin(j, row); err != nil {
		return s.failed(ctx, err)
	}
	s.options.reached("begun")
	r := s.script(ctx, *s.plan.Run)
	s.end(j, row, r)
	return r
}

// script runs one script with everything that a script is promised, as the user that it asks for.
func (s *session) script(ctx context.Context, run step.Run) step.Result {
	j, err := s.job(run)
	if err != nil {
		return s.failed(ctx, err)
	}
	a, own := s.account, true
	if run.User != "" {
		if a, own, err = s.runsAs(run.User); err != nil {
			return s.failed(ctx, &reasonError{step.ReasonUserRefused, err})
		}
	}
	var o outcome
	if own {
		o, err = s.perform(ctx, j, a)
	} else {
		o, err = s.delegateAs(ctx, run.User, a, j)
	}
	for _, text := range o.Warnings[:min(len(o.Warnings), step.MaxWarnings)] {
		s.warn(text)
	}
	if err == nil && o.Failure != "" {
		err = &reasonError{o.Reason, errors.New(o.Failure)}
	}
	if err != nil {
		return s.failed(ctx, err)
	}
	r := step.Result{ExitCode: o.Code}
	if o.Code != 0 {
		r.Reason = step.ReasonExitCode
	}
	r.Outputs, r.OutputsCut = s.readOutputs(o)
	return r
}

// readOutputs reads what the script gave, keeps what was declared, and masks it.
func (s *session) readOutputs(of outcome) (outputs map[string]string, cut bool) {
	if of.OutputsFailure != "" {
		s.warn("the outputs cannot be read: " + of.OutputsFailure)
		return nil, true
	}
	if of.OutputsCut {
		s.warn(fmt.Sprintf("the file of outputs has more than %d bytes; the rest is dropped", maxOutputFile))
	}
	o := outputLines{s: s, kept: map[string]string{}, told: map[string]bool{}, cut: of.OutputsCut}
	for line := range strings.SplitSeq(of.Outputs, "\n") {
		if line = strings.TrimSuffix(line, "\r"); line != "" {
			o.take(line)
		}
	}
	return o.kept, o.cut
}

// outputLines keeps the outputs of a script's lines, within their bounds.
type outputLines struct {
	s    *session
	kept map[string]string
	told map[string]bool // the warnings that were given
	size int
	cut  bool
}

func (o *outputLines) take(line string) {
	name, value, ok := strings.Cut(line, "=")
	value = o.s.masker.String(strings.ToValidUTF8(value, "\uFFFD"))
	switch {
	case !ok:
		o.drop("a line of the outputs is not name=value; it is dropped")
	case !slices.Contains(o.s.plan.Outputs, name):
		o.drop(fmt.Sprintf("the output %.100q is not declared by the step; it is dropped", name))
	case len(value) > step.MaxOutput || o.size+len(name)+len(value) > step.MaxOutputs:
		o.cut = true
		o.drop(fmt.Sprintf("the output %q is too long; it is dropped", name))
	default:
		o.size += len(name) + len(value)
		o.kept[name] = value
	}
}

func (o *outputLines) drop(why string) {
	if !o.told[why] && len(o.told) < step.MaxWarnings {
		o.told[why] = true
		o.s.warn(why)
	}
}
