package engine

import (
	"context"
	"errors"

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
	s.passOn(o)
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
	s.giveOutputs(&r, o)
	return r
}
