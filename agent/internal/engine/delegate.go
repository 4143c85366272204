package engine

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/account"
	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/api/step"
)

// workerGrace is how long a worker that was told to end may take: it asks the script, kills it, and cleans up.
const workerGrace = workerAsks + killGrace + 5*time.Second

// workerAsks is how long a worker waits between asking a script to end and killing it.
const workerAsks = 10 * time.Second

// worker is a process that runs a job as another user.
type worker struct {
	child
	in  io.WriteCloser
	out io.ReadCloser
	err io.ReadCloser
	// remedy says what to do where it did not even begin.
	remedy string
}

func (w *worker) close() {
	_, _, _ = w.in.Close(), w.out.Close(), w.err.Close()
}

// startWorker starts a worker as account a: argv, which may be a program that starts it.
func (s *session) startWorker(a *account.Account, remedy string, argv ...string) (*worker, error) {
	cmd := exec.Command(argv[0], argv[1:]...) //nolint:noctx,gosec // this program or sudo; it ends with its input, and ends its script before
	cmd.Dir, cmd.Env = rootOf(s.home), s.envOf(a)
	process.Become(cmd, a)
	var ours, theirs [3]*os.File
	for i := range ours {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("making a pipe: %w", err), closeAll(ours[:i]), closeAll(theirs[:i]))
		}
		if ours[i], theirs[i] = r, w; i == 0 {
			ours[i], theirs[i] = w, r
		}
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs[0], theirs[1], theirs[2]
	c, err := s.place.startWorker(cmd)
	_ = closeAll(theirs[:])
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", argv[0], err), closeAll(ours[:]))
	}
	return &worker{child: c, in: ours[0], out: ours[1], err: ours[2], remedy: remedy}, nil
}

func closeAll(files []*os.File) (err error) {
	for _, f := range files {
		err = errors.Join(err, f.Close())
	}
	return err
}

// delegateAs runs a job as the user of a name, whose account is a.
func (s *session) delegateAs(ctx context.Context, name string, a *account.Account, j job) (outcome, error) {
	w, err := s.findWorker(name, a)
	if err != nil {
		return outcome{}, &reasonError{step.ReasonUserRefused, err}
	}
	j.Env = append(tentacleEnvironment(), j.Env...)
	return s.delegate(ctx, w, name, j)
}

// delegate has a worker do a job. ctx ends it as it ends a script of the engine's own.
func (s *session) delegate(ctx context.Context, w *worker, name string, j job) (outcome, error) {
	defer w.close()
	said := listen(w.err)
	go func() { _ = (&frameWriter{w: w.in}).json(frameJob, j) }() // that it is not read shows in the answer
	type answer struct {
		o     outcome
		began bool
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		o, began, err := s.follow(w.out)
		answers <- answer{o, began, err}
	}()
	var a answer
	select {
	case a = <-answers:
	case <-ctx.Done():
		_ = w.in.Close()
		late := false
		select {
		case <-answers:
		case <-time.After(workerGrace):
			late = true
		}
		if err := w.finish(); err != nil || late {
			return outcome{}, cmp.Or(err, fmt.Errorf("ending the script of %s: it does not die", name))
		}
		return outcome{}, context.Cause(ctx)
	}
	if a.err == nil {
		return a.o, nil
	}
	if err := w.finish(); err != nil { // what it has started must not go on unseen
		return outcome{}, err
	}
	if !a.began {
		return outcome{}, &reasonError{step.ReasonUserRefused, fmt.Errorf("the step is to run as %s, which this Tentacle may not: %s%s", name, w.remedy, said())}
	}
	return outcome{}, fmt.Errorf("what ran the script as %s ended without a result: %w%s", name, a.err, said())
}

// passOn gives the warnings of a worker, which prints none itself.
func (s *session) passOn(o outcome) {
	for _, text := range o.Warnings[:min(len(o.Warnings), step.MaxWarnings)] {
		s.warn(text)
	}
}

// finish ends what is left of a worker that has said its last, or that does not answer.
func (w *worker) finish() error {
	ctx, cancel := context.WithTimeout(context.Background(), killGrace)
	defer cancel()
	return w.endRest(ctx)
}

// follow passes on what a worker says until its outcome.
func (s *session) follow(from io.Reader) (o outcome, began bool, err error) {
	r := bufio.NewReaderSize(from, maxPiece)
	for {
		kind, data, err := readFrame(r, maxReply)
		if err != nil {
			return o, began, err
		}
		switch kind {
		case frameHello:
			began = true
		case frameStdout:
			_, _ = s.out.stdout.Write(data)
		case frameStderr:
			_, _ = s.out.stderr.Write(data)
		case frameOutcome:
			if err := json.Unmarshal(data, &o); err != nil {
				return outcome{}, began, fmt.Errorf("its result is not understood: %w", err)
			}
			return o, began, nil
		default:
			return o, began, errors.New("its answer is not understood")
		}
	}
}

// listen keeps the beginning of what comes, and returns how to ask for it as the end of a sentence.
func listen(from io.Reader) func() string {
	var b bytes.Buffer
	var mu sync.Mutex
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4<<10)
		for {
			n, err := from.Read(buf)
			mu.Lock()
			b.Write(buf[:min(n, max(0, 2<<10-b.Len()))])
			mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return func() string {
		select {
		case <-done:
		case <-time.After(time.Second):
		}
		mu.Lock()
		defer mu.Unlock()
		text := strings.Join(strings.Fields(strings.ToValidUTF8(b.String(), "\uFFFD")), " ")
		if text == "" {
			return ""
		}
		return " (" + text + ")"
	}
}
