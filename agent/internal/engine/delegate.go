package engine

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/mantledeploy/mantle/api/step"
)

// workerGrace is how long a worker that was told to end may take: it asks the script, kills it, and cleans up.
const workerGrace = askGrace + killGrace + 5*time.Second

// worker is a process that runs a job as another user.
type worker struct {
	in  io.WriteCloser
	out io.ReadCloser
	err io.ReadCloser
	// remedy says what to do where it did not even begin.
	remedy string
}

func (w *worker) close() {
	_, _, _ = w.in.Close(), w.out.Close(), w.err.Close()
}

// delegate runs a job as another user. ctx ends it as it ends a script of the engine's own.
func (s *session) delegate(ctx context.Context, name string, j job) (outcome, error) {
	w, err := s.findWorker(name)
	if err != nil {
		return outcome{}, &reasonError{step.ReasonUserRefused, err}
	}
	defer w.close()
	j.Env = append(tentacleEnvironment(), j.Env...)
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
		select {
		case <-answers:
		case <-time.After(workerGrace):
			return outcome{}, fmt.Errorf("ending the script of %s: it does not die", name)
		}
		return outcome{}, context.Cause(ctx)
	}
	switch {
	case a.err == nil:
		return a.o, nil
	case !a.began:
		return outcome{}, &reasonError{step.ReasonUserRefused, fmt.Errorf("the step is to run as %s, which this Tentacle may not: %s%s", name, w.remedy, said())}
	default:
		return outcome{}, fmt.Errorf("what ran the script as %s ended without a result: %w%s", name, a.err, said())
	}
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
