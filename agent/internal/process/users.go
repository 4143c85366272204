package process

import (
	"fmt"
	"os"
	"os/exec"
	"slices"

	"github.com/mantledeploy/mantle/agent/internal/account"
)

// WorkerVariable says to an engine that a worker was started for it as the user of its step, and that it
// has inherited from WorkerDescriptor on: what the worker reads from, its output, and its complaints.
const (
	WorkerVariable   = "MANTLE_WORKER"
	WorkerDescriptor = 3
)

// become makes cmd run as the account of scripts, and makes the pipes of its output. The account is asked for
// anew for each script, so that it is the one of now.
func (s *supervision) become(cmd *exec.Cmd) (readers, writers [2]*os.File, err error) {
	if s.spec.User == "" {
		return pipes(nil)
	}
	a, err := LookupAccount(s.spec.User)
	if err == nil {
		err = MayBecome(a)
	}
	if err != nil {
		return readers, writers, fmt.Errorf("scripts run as %s (scriptUser in the Tentacle's settings): %w", s.spec.User, err)
	}
	Become(cmd, a)
	return pipes(a)
}

// pipes makes two pipes that account a may open by their names too, as a script does with /dev/stderr.
func pipes(a *account.Account) (readers, writers [2]*os.File, err error) {
	err = account.As(a, func() error {
		for i := range readers {
			if readers[i], writers[i], err = os.Pipe(); err != nil {
				return fmt.Errorf("making a pipe: %w", err)
			}
		}
		return nil
	})
	return readers, writers, err
}

// startWorker starts the part of an engine that runs as the user of the step, which the engine itself has no
// right to become, and gives the engine, which is yet to start, the pipes to it. The worker waits to be told
// what to do, and ends when the engine does. The files that are returned are to be closed once the engine runs.
func (s *supervision) startWorker(engine *exec.Cmd) ([]*os.File, error) {
	if s.spec.StepUser == "" {
		return nil, nil
	}
	a, err := LookupAccount(s.spec.StepUser)
	if err == nil {
		err = MayBecome(a)
	}
	if err != nil {
		return nil, fmt.Errorf("the step wants to run as %s: %w", s.spec.StepUser, err)
	}
	if s.spec.User != "" && (a.UID == 0 || a.IsSelf()) {
		return nil, nil // who could take over what scripts are kept from; the engine asks sudo
	}
	var files []*os.File
	closeAll := func() {
		for _, f := range files {
			_ = f.Close()
		}
	}
	for range 3 {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll()
			return nil, fmt.Errorf("making a pipe: %w", err)
		}
		files = append(files, r, w)
	}
	worker := &exec.Cmd{Path: s.spec.Path, Args: []string{s.spec.Path, "step", "--worker"}, Dir: rootOf(s.dir), Env: slices.Clone(engine.Env)}
	worker.Stdin, worker.Stdout, worker.Stderr = files[0], files[3], files[5]
	Become(worker, a)
	if err := StartBare(worker); err != nil {
		closeAll()
		return nil, fmt.Errorf("starting what runs the step as %s: %w", a, err)
	}
	go func() { _ = worker.Wait() }() // how it ended is for the engine to tell
	engine.ExtraFiles = []*os.File{files[1], files[2], files[4]}
	engine.Env = append(engine.Env, WorkerVariable+"=1")
	return files, nil
}
