package dispatch_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	wire "github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/dispatch"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// A machine that is not there is not touched, which no reason can tell as well as who sends.
func TestNothingIsSentToAMachineThatIsAway(t *testing.T) {
	m, p := newMachine(t, engine(0, "")), newPool(t)
	m.Stop()
	a := runAction(m, "t1")
	a.Machine.RetryDuration = 100 * time.Millisecond
	p.Dispatch(a)
	r := await(t, p, "t1", ended)
	unsent(t, m, r, v1alpha1.ReasonConnectionRefused)
	if !r.Unreached || strings.Contains(r.Message, "again") {
		t.Errorf("%+v", r)
	}
}

// A package that the machine's policy does not take is refused before the script is sent.
func TestAContentThatIsRefusedIsNotSent(t *testing.T) {
	m, p := newMachine(t, engine(0, "")), newPool(t)
	m.Inject(tentacletest.Before("UploadFile"), -1, tentacletest.Fail(halibut.FinalError{Err: fmt.Errorf("the file is %s", wire.RefusedByPolicy("uploads", "no packages"))}))
	sha := strings.Repeat("ab", 32)
	a := runAction(m, "t1")
	a.Content = &session.Content{SHA256: sha, Format: "tar", Size: 7, Path: step.ContentPath(sha, "tar"),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("content")), nil }}
	p.Dispatch(a)
	unsent(t, m, await(t, p, "t1", ended), v1alpha1.ReasonRefusedByPolicy)
}

// A Tentacle that answers the start with an error for good has begun nothing.
func TestAStartThatTheTentacleRefusesIsNotSent(t *testing.T) {
	m, p := newMachine(t, engine(0, "")), newPool(t)
	m.Inject(tentacletest.Before("StartScript"), -1, tentacletest.Fail(halibut.FinalError{Err: fmt.Errorf("no scripts here")}))
	p.Dispatch(runAction(m, "t1"))
	unsent(t, m, await(t, p, "t1", ended), v1alpha1.ReasonEngineFailed)
}

// Nobody knows whether a start arrived of which the answer is missing, until the machine says so.
func TestAStartThatMayHaveArrivedIsSent(t *testing.T) {
	m, p := newMachine(t, engine(0, "")), newPool(t)
	m.Inject(tentacletest.Before("StartScript"), 3, tentacletest.Drop)
	block := make(chan struct{})
	m.Inject(tentacletest.Before("GetStatus"), 1, tentacletest.Hook(func() { <-block }))
	a := runAction(m, "t1")
	a.Machine.RetryDuration = time.Millisecond
	p.Dispatch(a)
	await(t, p, "t1", func(r dispatch.Report) bool { return r.Sent })
	close(block)
	if r := await(t, p, "t1", ended); r.Phase != v1alpha1.StepSucceeded || steps(m) != 1 {
		t.Errorf("ended as %s (%s), ran %d times", r.Phase, r.Message, steps(m))
	}
}

// What may have been sent is given up only once the machine says that it was not.
func TestWhatMayHaveArrivedIsGivenUpWhenItHasNot(t *testing.T) {
	m, p := newMachine(t, engine(0, "")), newPool(t)
	m.Inject(tentacletest.Before("StartScript"), 3, tentacletest.Drop)
	asked, block := make(chan struct{}), make(chan struct{})
	m.Inject(tentacletest.Before("GetStatus"), 1, tentacletest.Hook(func() { close(asked); <-block }))
	a := runAction(m, "t1")
	a.Machine.RetryDuration = time.Millisecond
	p.Dispatch(a)
	within(t, asked, "the machine is asked")
	p.GiveUp("t1")
	if r, _ := p.Report("t1"); r.Ended() || !r.Sent {
		t.Errorf("%+v", r)
	}
	close(block)
	unsent(t, m, await(t, p, "t1", ended), v1alpha1.ReasonNotPrepared)
}

// An action that is taken up may have been sent, until the machine says that it does not know it.
func TestWhatTheMachineDoesNotKnowWasNotSent(t *testing.T) {
	m, p := newMachine(t, engine(0, "")), newPool(t)
	m.Stop()
	a := runAction(m, "t1")
	a.Resume = true
	a.Prepare = func(context.Context) (dispatch.Prepared, error) {
		return dispatch.Prepared{}, &dispatch.NotReady{Reason: v1alpha1.ReasonSecretNotFound, Message: "secret db not found"}
	}
	p.Dispatch(a)
	if r := await(t, p, "t1", waiting(v1alpha1.ReasonConnectionRefused)); !r.Sent {
		t.Error("it may have been sent")
	}
	m.Listen()
	if r := await(t, p, "t1", waiting(v1alpha1.ReasonSecretNotFound)); r.Sent {
		t.Error("the machine does not know it")
	}
	p.GiveUp("t1")
	unsent(t, m, await(t, p, "t1", ended), v1alpha1.ReasonSecretNotFound)
}

func TestACancelIsRepeatedAtGrowingDistances(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	m := newMachine(t, func(context.Context, *tentacletest.Execution) int32 { // which does not care
		<-release
		return 0
	})
	p := newPool(t, func(_ *session.Config, d *dispatch.Config) { d.CancelPause = 50 * time.Millisecond })
	p.Dispatch(runAction(m, "t1"))
	await(t, p, "t1", running)
	p.Cancel("t1")
	eventually(t, "it is asked for its end", func() bool { return calls(m, "CancelScript") > 0 })
	until := time.Now().Add(2 * time.Second)
	eventually(t, "some time goes by", func() bool { return time.Now().After(until) })
	if n := calls(m, "CancelScript"); n < 3 || n > 7 { // at 0, 50, 150, 350, 750, 1,550 ms
		t.Errorf("asked %d times in 2 s", n)
	}
	p.Drop("t1")
}

// What a script writes is no word of the Tentacle's.
func TestOnlyTheTentacleTellsWhichProcessesLive(t *testing.T) {
	many := make([]int, 50)
	for i := range many {
		many[i] = 100 + i
	}
	for name, tt := range map[string]struct {
		lines []string
		want  []int
	}{
		"the Tentacle's line":     {[]string{"retry 3 of 5", wire.Abandoned([]int{4711, 4712})}, []int{4711, 4712}},
		"the script's alone":      {[]string{"retry 3 of 5"}, nil},
		"the script's after it":   {[]string{wire.Abandoned([]int{1}), "retry 3 of 5"}, nil},
		"more than can be shown":  {[]string{wire.Abandoned(many)}, many[:20]},
		"numbers that cannot be":  {[]string{wire.Abandoned([]int{-1, 99999999999})}, nil},
		"a line that looks alike": {[]string{"Abandoned: [4711]"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, func(_ context.Context, e *tentacletest.Execution) int32 {
				for _, line := range tt.lines {
					e.Print(wire.StdErr, line)
				}
				return wire.ExitAbandoned
			})
			p := newPool(t)
			p.Dispatch(runAction(m, "t1"))
			if r := await(t, p, "t1", ended); r.Phase != v1alpha1.StepAbandoned || !slices.Equal(r.Pids, tt.want) {
				t.Errorf("%s, %v", r.Phase, r.Pids)
			}
		})
	}
}

// A machine may claim any number.
func TestNumbersOfAMachineAreBounded(t *testing.T) {
	m := newMachine(t, func(_ context.Context, e *tentacletest.Execution) int32 {
		last, _ := step.FormatResult(step.Nonce("t1"), step.Result{ExitCode: 1 << 40, Seconds: 1e300, Reason: step.ReasonExitCode})
		e.Print(wire.StdOut, last)
		return 0
	})
	p := newPool(t)
	p.Dispatch(runAction(m, "t1"))
	r := await(t, p, "t1", ended)
	if r.Phase != v1alpha1.StepFailed || r.ExitCode == nil || *r.ExitCode != 1<<31-1 || r.Seconds > 15*24*3600 {
		t.Errorf("%s with %v after %v s", r.Phase, *r.ExitCode, r.Seconds)
	}
}

// The numbers of a machine's output that cannot be do not hide what comes after them.
func TestSequencesThatCannotBeAreNotBelieved(t *testing.T) {
	e := &eager{next: []int64{1<<63 - 1, -1 << 63, 1 << 60}}
	p := newPool(t)
	a := runAction(machine{Machine: e.serve(t)}, "t1")
	p.Dispatch(a)
	eventually(t, "every line is there", func() bool { return strings.Count(a.Log.(*kept).text(), "line") >= 3 })
	sink := a.Log.(*kept)
	sink.mu.Lock()
	defer sink.mu.Unlock()
	if sink.last < 3 || sink.last > 1<<31 {
		t.Errorf("the last entry has the number %d", sink.last)
	}
}
