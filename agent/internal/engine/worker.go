package engine

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/mantledeploy/mantle/agent/internal/deploy"
	"github.com/mantledeploy/mantle/agent/internal/masking"
	"github.com/mantledeploy/mantle/api/step"
)

// work is `tentacle step --worker`: the part of an engine that runs a script as the user of its step, while the
// engine itself keeps the user that journal and plan belong to. It reads one job, runs it in a folder of
// its own, and passes on what it prints; masking is the engine's. The end of the input is the end of the script.
func work(in io.Reader, out io.Writer) int {
	frames := &frameWriter{w: out}
	if frames.write(frameHello, nil) != nil {
		return step.ExitFailed
	}
	r := bufio.NewReader(in)
	kind, data, err := readFrame(r, maxJob)
	if errors.Is(err, io.EOF) {
		return 0 // nothing to do
	}
	var j job
	if err == nil {
		err = json.Unmarshal(data, &j)
	}
	if err != nil || kind != frameJob {
		fmt.Fprintln(os.Stderr, "tentacle step --worker: the job is not understood; an engine calls it, not a person")
		return step.ExitPlanRefused
	}
	o, err := workIn(r, frames, j)
	if err != nil {
		o = outcome{Code: step.ExitFailed, Failure: err.Error()}
		o.Reason, _ = reasonOf(err)
	}
	if frames.json(frameOutcome, o) != nil {
		return step.ExitFailed
	}
	return 0
}

func workIn(in io.Reader, frames *frameWriter, j job) (outcome, error) {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, append(endSignals(), pipeSignals()...)...)
	go func() {
		_, _ = io.Copy(io.Discard, in)
		cancel(errCancelled)
	}()
	go func() {
		for s := range signals {
			if !isPipeSignal(s) {
				cancel(errCancelled)
			}
		}
	}()
	masker := masking.New(nil)
	s := &session{masker: masker, place: alone{asks: workerAsks}, env: os.Environ(), remote: true,
		out: newOutput(masker, frameStream{frames, frameStdout}, frameStream{frames, frameStderr})}
	s.out.stdout.messages = nil // the one that started it looks for them
	defer s.out.flush()
	if j.Deploy != nil {
		return s.workDeploy(ctx, *j.Deploy), nil
	}
	folder, err := makeTemp()
	if err != nil {
		return outcome{}, err
	}
	defer os.RemoveAll(folder) //nolint:errcheck // what the script left and this user cannot remove stays
	s.work, s.home = folder, folder
	o, err := s.perform(ctx, j, nil)
	o.Warnings = s.warnings
	return o, err
}

// workDeploy installs a package, and has the one that started this worker tell of it.
func (s *session) workDeploy(ctx context.Context, d deployJob) outcome {
	s.plan, s.home = d.Plan, d.Home
	at, r := s.install(ctx)
	if r.Reason == "" {
		r.Outputs = packageOutputs(deploy.Directory(s.home, at), s.plan.Deploy.Version)
	}
	return outcome{Result: &r, Given: r.Outputs, Warnings: s.warnings}
}

func isPipeSignal(s os.Signal) bool {
	for _, p := range pipeSignals() {
		if s == p {
			return true
		}
	}
	return false
}
