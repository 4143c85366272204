package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/journal"
	"github.com/mantledeploy/mantle/agent/internal/masking"
	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/agent/internal/regular"
	"github.com/mantledeploy/mantle/api/step"
)

// options are what a test changes of the engine.
type options struct {
	at func(point string) // called at each point of a step
	// claims says that the ticket is claimed in the home, as the Tentacle forgets it.
	claims bool
}

func (o options) reached(point string) {
	if o.at != nil {
		o.at(point)
	}
}

// The flags of `tentacle step` for those who call it.
const (
	planFlag   = "plan"
	homeFlag   = "home"
	claimsFlag = "claims"
)

// Flags are those flags, as its manual shows them.
func Flags() *flag.FlagSet {
	flags := flag.NewFlagSet("tentacle step", flag.ContinueOnError)
	flags.String(planFlag, "", "`file` with the plan to carry out; its folder is the step's")
	flags.String(homeFlag, "", "`folder` of the Tentacle; unless given, the one that $"+step.EnvTentacleHome+" names, or none")
	flags.Bool(claimsFlag, false, "claim the plan's ticket in the home and run it once, for a Tentacle that forgets its tickets")
	return flags
}

// Main is `tentacle step` with the arguments that follow these words; it returns the process's exit
// code. `--plan FILE` names the plan, whose folder is the step's; `--home DIR` goes before the
// environment's TentacleHome; `--claims` lets the plan's ticket run once in that home, in whatever folders
// it is started.
func Main(args []string) int { return execute(args, options{}) }

func execute(args []string, o options) int {
	began := time.Now()
	flags := Flags()
	drain := flags.Bool("drain", false, "read the input, and what is in the place of the output, to their ends and discard it; for the engine's own use")
	worker := flags.Bool("worker", false, "run a script as another user; for the engine's own use")
	text := func(name string) string { return flags.Lookup(name).Value.String() }
	switch err := flags.Parse(args); {
	case err != nil:
		return step.ExitPlanRefused
	case *drain:
		discard(os.Stdin, os.Stdout)
		return 0
	case *worker:
		return work(os.Stdin, os.Stdout)
	case text(planFlag) == "" || flags.NArg() > 0:
		fmt.Fprintln(os.Stderr, "tentacle step needs --plan FILE and takes nothing else; a Tentacle calls it, not a person")
		return step.ExitPlanRefused
	}
	o.claims = text(claimsFlag) == "true"
	s, code, err := open(text(planFlag), cmp.Or(text(homeFlag), os.Getenv(step.EnvTentacleHome)), began, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tentacle step: "+err.Error())
		return code
	}
	return s.carryOut()
}

// discard reads files to their ends.
func discard(files ...*os.File) {
	var reading sync.WaitGroup
	for _, f := range files {
		reading.Go(func() { _, _ = io.Copy(io.Discard, f) })
	}
	reading.Wait()
}

// errClaimed says that another engine has been here.
var errClaimed = errors.New("this step has been started before; nothing is done")

// open claims the plan's folder and reads what is in it. The secrets' file is gone afterwards, whatever
// else went wrong.
func open(plan, home string, began time.Time, o options) (*session, int, error) {
	plan, err := filepath.Abs(plan)
	if err != nil {
		return nil, step.ExitPlanRefused, fmt.Errorf("finding the plan: %w", err)
	}
	folder := filepath.Dir(plan)
	if err := claim(folder); err != nil && (!o.claims || !errors.Is(err, errClaimed)) {
		code := step.ExitFailed
		if errors.Is(err, errClaimed) {
			code = step.ExitClaimed
		}
		return nil, code, err
	}
	o.reached("claimed")
	p, secrets, err := readCall(plan, filepath.Join(folder, step.SecretsFile))
	if err != nil {
		return nil, step.ExitPlanRefused, err
	}
	if home != "" {
		if home, err = filepath.Abs(home); err != nil {
			return nil, step.ExitFailed, fmt.Errorf("finding the home: %w", err)
		}
	}
	masker := masking.New(secrets)
	return &session{plan: p, secrets: secrets, work: folder, home: home, place: alone{asks: askGrace}, env: os.Environ(), began: began, options: o, masker: masker,
		out: newOutput(masker, os.Stdout, os.Stderr)}, 0, nil
}

// readCall reads plan and secrets, each once, and takes the secrets' file away.
func readCall(plan, secrets string) (step.Plan, []string, error) {
	hidden, err := takeSecrets(secrets)
	if err != nil {
		return step.Plan{}, nil, err
	}
	data, err := regular.ReadWhole(plan, step.MaxPlanSize)
	if err != nil {
		return step.Plan{}, nil, fmt.Errorf("reading the plan: %w", err)
	}
	return decodeCall(data, hidden)
}

// decodeCall understands a plan and its secrets, which may be nil.
func decodeCall(plan, secrets []byte) (step.Plan, []string, error) {
	p, err := step.DecodePlan(bytes.NewReader(plan))
	if err != nil {
		return step.Plan{}, nil, err
	}
	var values []string
	if secrets != nil {
		if values, err = step.DecodeSecrets(bytes.NewReader(secrets)); err != nil {
			return step.Plan{}, nil, err
		}
	}
	return p, values, p.CheckSecrets(len(values))
}

// The causes for which a step is ended from outside.
var (
	errTimedOut  = errors.New(step.TimeOver)
	errCancelled = process.ErrCancelled
	errBusy      = errors.New("the machine was busy with another step for longer than this one may take")
)

// carryOut does the step of a process of its own, prints its result and returns the exit code.
func (s *session) carryOut() int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, endSignals()...)
	defer signal.Stop(signals)
	// A reader of the output that goes away must not end a step in its middle; scripts get the
	// default of this signal back, as it is caught and not ignored.
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, pipeSignals()...)
	go func() {
		select {
		case <-signals:
			cancel(errCancelled)
		case <-ctx.Done():
		}
	}()
	if code, over := s.take(ctx); over {
		return code
	}
	return s.do(ctx).ExitCode
}

// take claims the ticket of a step that must not run twice where the Tentacle does not see to that. It is over where
// somebody has claimed it before: then the step ends as that one did, or nobody knows how.
func (s *session) take(ctx context.Context) (code int, over bool) {
	if !s.options.claims || s.plan.Kind != step.KindRun && s.plan.Kind != step.KindDeploy {
		return 0, false
	}
	j, err := s.journal()
	if err == nil {
		s.claim, err = j.Claim(ctx, s.plan.Ticket, func() { s.out.aside("This step was started before and still runs; waiting for its end.") })
	}
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "tentacle step: "+err.Error())
		return step.ExitClaimed, true
	case s.claim.First:
		s.options.reached("taken")
		return s.waitForOthers(ctx, j)
	case s.claim.Earlier == nil:
		fmt.Fprintln(os.Stderr, "this step was started before and did not come to its end; how far it came is not known")
		return step.ExitClaimed, true
	}
	s.out.aside("This step was started before and has ended; its output is not here, only its result.")
	s.out.raw(s.claim.Earlier.Lines...)
	return s.claim.Earlier.ExitCode, true
}

// waitForOthers waits for the end of another step that still runs, as long as it would wait for the Tentacle's lock. The lock
// goes with the process.
func (s *session) waitForOthers(ctx context.Context, j *journal.Journal) (code int, over bool) {
	bounded, stop := context.WithTimeoutCause(ctx, s.plan.Timeout(), errBusy)
	defer stop()
	var err error
	s.alone, err = j.Alone(bounded, func() { s.out.aside("Another step still runs on this machine; waiting for its end.") })
	if err == nil {
		s.began = time.Now()
		return 0, false
	}
	r := s.failed(ctx, err)
	if errors.Is(err, errBusy) {
		r.Reason = step.ReasonMutexTimedOut
	}
	s.finish(r)
	return r.ExitCode, true
}

// kind does one kind of step. A result with a reason has failed.
type kind func(context.Context, *session) step.Result

// kinds is the list of what the engine can do.
func kinds() map[step.Kind]kind {
	return map[step.Kind]kind{
		step.KindRun:       run,
		step.KindDeploy:    deployPackage,
		step.KindHealth:    health,
		step.KindInventory: inventory,
	}
}
