package engine

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/masking"
	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/api/step"
)

// Carry carries out a step in the process of its ticket's supervisor. Whatever has the step's rights only is done as the
// account of scripts, and archives are read by a worker of that account.
func Carry(ctx context.Context, c *process.Call) process.Ending {
	began := time.Now()
	p, secrets, err := decode(c)
	if err != nil {
		fmt.Fprintln(c.Stderr, "tentacle step: "+err.Error())
		return process.Ending{Code: step.ExitPlanRefused}
	}
	masker := masking.New(secrets)
	s := &session{plan: p, operator: c.Operator, secrets: secrets, home: os.Getenv(step.EnvTentacleHome), began: began, masker: masker,
		out: newOutput(masker, c.Stdout, c.Stderr), place: supervised{c}, account: c.Account, env: c.Env}
	r := s.do(ctx)
	return process.Ending{Code: r.ExitCode, Cancelled: r.Reason == step.ReasonCancelled}
}

func decode(c *process.Call) (step.Plan, []string, error) {
	if c.Problem != "" {
		return step.Plan{}, nil, fmt.Errorf("reading the plan: %s", c.Problem)
	}
	return decodeCall(c.Plan, c.Secrets)
}

// do does the step within its time, and prints its result.
func (s *session) do(ctx context.Context) step.Result {
	ctx, stop := context.WithDeadlineCause(ctx, s.began.Add(s.plan.Timeout()), errTimedOut)
	defer stop()
	if n := s.masker.PlainOnly(); n > 0 {
		s.warn(fmt.Sprintf("%d sensitive values are very long, and masked only as they are, not in base64 or another form", n))
	}
	if n := s.masker.Short(); n > 0 {
		s.warn(fmt.Sprintf("%d sensitive values have fewer than 3 bytes and are not masked", n))
	}
	r := kinds()[s.plan.Kind](ctx, s)
	s.finish(r)
	return r
}
