package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/step"
	wire "github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/dispatch"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// missing is an action that can never be prepared.
func missing(context.Context) (dispatch.Prepared, error) {
	return dispatch.Prepared{}, &dispatch.NotReady{Reason: v1alpha1.ReasonVariableMissing, Message: "secret db has no key password", Final: true}
}

func TestWhatMustNotBeStartedIsAskedFor(t *testing.T) {
	release := make(chan struct{})
	m := newMachine(t, tentacletest.Holds(release, engine(0, "")))
	first := newPool(t)
	first.Dispatch(runAction(m, "t1"))
	await(t, first, "t1", running)
	first.Close()
	second := newPool(t)
	for _, ticket := range []string{"t1", "t2"} {
		a := runAction(m, ticket)
		a.Resume, a.Prepare = true, missing
		second.Dispatch(a)
	}
	close(release)
	if r := await(t, second, "t1", ended); r.Phase != v1alpha1.StepSucceeded || !r.Sent {
		t.Errorf("what was running ended as %s (%s), sent %v", r.Phase, r.Message, r.Sent)
	}
	r := await(t, second, "t2", ended)
	if r.Phase != v1alpha1.StepFailed || r.Reason != v1alpha1.ReasonVariableMissing || r.Sent || steps(m) != 1 {
		t.Errorf("what never began ended as %s (%s: %s), sent %v; %d ran", r.Phase, r.Reason, r.Message, r.Sent, steps(m))
	}
}

// Values are not read again for an action that the machine has: it may use others by now, or they may be gone.
func TestNothingIsPreparedForWhatTheMachineKnows(t *testing.T) {
	release := make(chan struct{})
	m := newMachine(t, tentacletest.Holds(release, engine(0, "")))
	first := newPool(t)
	first.Dispatch(runAction(m, "t1"))
	await(t, first, "t1", running)
	first.Close()
	second := newPool(t)
	a := runAction(m, "t1")
	a.Resume = true
	a.Prepare = func(context.Context) (dispatch.Prepared, error) {
		t.Error("it is prepared again")
		return dispatch.Prepared{}, errors.New("no")
	}
	second.Dispatch(a)
	await(t, second, "t1", running)
	close(release)
	if r := await(t, second, "t1", ended); r.Phase != v1alpha1.StepSucceeded {
		t.Errorf("ended as %s (%s)", r.Phase, r.Message)
	}
}

func TestAPackageThatIsStillFetchedIsWaitedFor(t *testing.T) {
	m, p := newMachine(t, engine(0, "")), newPool(t)
	sha := strings.Repeat("ef", 32)
	var there atomic.Bool
	var asked atomic.Int32
	a := runAction(m, "t1")
	a.Machine.RetryDuration = time.Millisecond // much less than the fetch takes
	content := &session.Content{SHA256: sha, Format: "tar", Size: 7, Path: step.ContentPath(sha, "tar"),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("content")), nil }}
	a.Prepare = func(context.Context) (dispatch.Prepared, error) {
		if asked.Add(1); there.Load() {
			return dispatch.Prepared{Plan: a.Plan, Content: content}, nil
		}
		return dispatch.Prepared{}, &dispatch.NotReady{Reason: v1alpha1.ReasonPackagePending, Message: "package web 1.0.0 is being fetched", RetryAfter: 10 * time.Millisecond}
	}
	p.Dispatch(a)
	r := await(t, p, "t1", waiting(v1alpha1.ReasonPackagePending))
	if r.Message != "package web 1.0.0 is being fetched; tried again every 10ms" || r.Sent {
		t.Errorf("%q, sent %v", r.Message, r.Sent)
	}
	eventually(t, "it is asked for again and again", func() bool { return asked.Load() >= 5 })
	if told := p.notified(); told != 1 {
		t.Errorf("the owner was told %d times of one thing", told)
	}
	if n := len(m.Calls()); n != 0 {
		t.Errorf("the machine was asked %d times to wait for the package", n)
	}
	there.Store(true)
	if r := await(t, p, "t1", ended); r.Phase != v1alpha1.StepSucceeded || r.Reason != "" || r.Message != "" {
		t.Errorf("ended as %s (%s: %s)", r.Phase, r.Reason, r.Message)
	}
}

func TestAPackageThatCanNeverBeSentEndsTheAction(t *testing.T) {
	m, p := newMachine(t, engine(0, "")), newPool(t)
	a := runAction(m, "t1")
	a.Resume = true
	a.Prepare = func(context.Context) (dispatch.Prepared, error) {
		return dispatch.Prepared{}, &dispatch.NotReady{Reason: v1alpha1.ReasonPackageChanged, Message: "package web 1.0.0 is another one now", Final: true}
	}
	p.Dispatch(a)
	unsent(t, m, await(t, p, "t1", ended), v1alpha1.ReasonPackageChanged)
}

// A content that is refused while it is sent, as the cache has dropped it, is prepared again.
func TestAContentThatIsGoneIsPreparedAgain(t *testing.T) {
	m, p := newMachine(t, engine(0, "")), newPool(t)
	sha := strings.Repeat("ef", 32)
	var prepared atomic.Int32
	a := runAction(m, "t1")
	a.Prepare = func(context.Context) (dispatch.Prepared, error) {
		if prepared.Add(1) > 1 {
			return dispatch.Prepared{}, &dispatch.NotReady{Reason: v1alpha1.ReasonPackageRefused, Message: "it is refused", Final: true}
		}
		return dispatch.Prepared{Plan: a.Plan, Content: &session.Content{SHA256: sha, Format: "tar", Size: 7, Path: step.ContentPath(sha, "tar"),
			Open: func() (io.ReadCloser, error) {
				return nil, &dispatch.NotReady{Reason: v1alpha1.ReasonPackagePending, Message: "it is gone"}
			}}}, nil
	}
	p.Dispatch(a)
	unsent(t, m, await(t, p, "t1", ended), v1alpha1.ReasonPackageRefused)
}

func TestAnErrorOfPreparingIsWaitedFor(t *testing.T) {
	m, p := newMachine(t, engine(0, "")), newPool(t)
	var tries atomic.Int32
	a := runAction(m, "t1")
	a.Prepare = func(context.Context) (dispatch.Prepared, error) {
		if tries.Add(1) < 3 {
			return dispatch.Prepared{}, errors.New("the API server does not answer")
		}
		return dispatch.Prepared{Plan: a.Plan}, nil
	}
	p.Dispatch(a)
	if r := await(t, p, "t1", waiting(v1alpha1.ReasonNotPrepared)); !strings.HasPrefix(r.Message, "the API server does not answer; tried again") {
		t.Errorf("%q", r.Message)
	}
	if r := await(t, p, "t1", ended); r.Phase != v1alpha1.StepSucceeded {
		t.Errorf("ended as %s (%s)", r.Phase, r.Message)
	}
}

// A plan that the engine would not take is never sent, and says why.
func TestAPlanThatCannotBeEncodedIsNotSent(t *testing.T) {
	m, p := newMachine(t, engine(0, "")), newPool(t)
	a := runAction(m, "t1")
	a.Plan.Kind = "nothing"
	p.Dispatch(a)
	unsent(t, m, await(t, p, "t1", ended), v1alpha1.ReasonEngineFailed)
	if n := len(m.Calls()); n != 0 {
		t.Errorf("the machine was asked %d times", n)
	}
}

func TestSlowPreparingIsTold(t *testing.T) {
	m, p := newMachine(t, engine(0, "")), newPool(t)
	goOn := make(chan struct{})
	a := runAction(m, "t1")
	a.Prepare = func(context.Context) (dispatch.Prepared, error) {
		<-goOn
		return dispatch.Prepared{Plan: a.Plan}, nil
	}
	p.Dispatch(a)
	if r := await(t, p, "t1", waiting(v1alpha1.ReasonPreparing)); r.Sent || r.Message == "" {
		t.Errorf("%+v", r)
	}
	close(goOn)
	await(t, p, "t1", ended)
}

// What waits to be prepared ends at once when its run is cancelled, or gives it up.
func TestWaitingForValuesEndsWhenTheRunDecides(t *testing.T) {
	for name, tt := range map[string]struct {
		decide func(*pool)
		phase  v1alpha1.StepPhase
		reason string
	}{
		"cancelled": {func(p *pool) { p.Cancel("t1") }, v1alpha1.StepCancelled, v1alpha1.ReasonCancelled},
		"given up":  {func(p *pool) { p.GiveUp("t1") }, v1alpha1.StepFailed, v1alpha1.ReasonSecretNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, p := newMachine(t, engine(0, "")), newPool(t)
			a := runAction(m, "t1")
			a.Prepare = func(context.Context) (dispatch.Prepared, error) {
				return dispatch.Prepared{}, &dispatch.NotReady{Reason: v1alpha1.ReasonSecretNotFound, Message: "secret db not found", RetryAfter: time.Hour}
			}
			p.Dispatch(a)
			await(t, p, "t1", waiting(v1alpha1.ReasonSecretNotFound))
			tt.decide(p)
			r := await(t, p, "t1", ended)
			if r.Phase != tt.phase || r.Reason != tt.reason || r.Sent || strings.Contains(r.Message, "again") || len(m.Calls()) != 0 {
				t.Errorf("%+v, %d calls", r, len(m.Calls()))
			}
		})
	}
}

// What was sent is not given up: only the machine can tell how it ends.
func TestWhatWasSentIsNotGivenUp(t *testing.T) {
	release := make(chan struct{})
	m := newMachine(t, tentacletest.Holds(release, engine(0, "")))
	p := newPool(t)
	p.Dispatch(runAction(m, "t1"))
	await(t, p, "t1", running)
	p.GiveUp("t1")
	close(release)
	if r := await(t, p, "t1", ended); r.Phase != v1alpha1.StepSucceeded {
		t.Errorf("ended as %s (%s)", r.Phase, r.Message)
	}
}

// One namespace whose API reads never come back takes its own places, and not those of another.
func TestPreparingIsFairByNamespace(t *testing.T) {
	m := newMachine(t, engine(0, ""))
	p := newPool(t, func(_ *session.Config, d *dispatch.Config) { d.MaxPrepare, d.MaxPrepareNamespace = 4, 3 })
	var mu sync.Mutex
	inside, most := 0, 0
	for i := range 50 {
		a := runAction(m, fmt.Sprint("slow", i))
		a.Owner.Namespace = "slow"
		a.Prepare = func(ctx context.Context) (dispatch.Prepared, error) {
			mu.Lock()
			inside++
			most = max(most, inside)
			mu.Unlock()
			<-ctx.Done()
			mu.Lock()
			inside--
			mu.Unlock()
			return dispatch.Prepared{}, ctx.Err()
		}
		p.Dispatch(a)
	}
	eventually(t, "the slow ones are being prepared", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return inside == 3
	})
	before := time.Now()
	for i := range 5 {
		p.Dispatch(runAction(m, fmt.Sprint("t", i)))
	}
	for i := range 5 {
		if r := await(t, p, fmt.Sprint("t", i), ended); r.Phase != v1alpha1.StepSucceeded {
			t.Errorf("ended as %s (%s)", r.Phase, r.Message)
		}
	}
	if took := time.Since(before); took > 20*time.Second {
		t.Errorf("the other namespace waited for %s", took)
	}
	p.Close()
	if most > 3 {
		t.Errorf("%d of one namespace were prepared at once", most)
	}
}

// A process that does not lead any more prepares, starts, cancels and completes nothing, and says nothing.
func TestAProcessThatDoesNotLeadIsSilent(t *testing.T) {
	var fenced atomic.Bool
	fence := func(_ *session.Config, d *dispatch.Config) {
		d.Fence = func() error {
			if fenced.Load() {
				return errors.New("another process leads")
			}
			return nil
		}
	}
	m := newMachine(t, tentacletest.Holds(make(chan struct{}), engine(0, "")))
	p := newPool(t, fence)
	a := runAction(m, "t1")
	p.Dispatch(a)
	await(t, p, "t1", running)
	waits := runAction(m, "t2")
	waits.Prepare = func(context.Context) (dispatch.Prepared, error) {
		if fenced.Load() {
			t.Error("it is prepared all the same")
		}
		return dispatch.Prepared{}, &dispatch.NotReady{Reason: v1alpha1.ReasonSecretNotFound, Message: "secret db not found", RetryAfter: 10 * time.Millisecond}
	}
	p.Dispatch(waits)
	await(t, p, "t2", waiting(v1alpha1.ReasonSecretNotFound))
	starts := runAction(m, "t3")
	starts.Prepare = func(context.Context) (dispatch.Prepared, error) {
		fenced.Store(true)
		return dispatch.Prepared{Plan: starts.Plan}, nil
	}
	p.Dispatch(starts)
	eventually(t, "another process leads", fenced.Load)
	p.Cancel("t1")
	p.Acknowledge(uid, m.Machine, "t9")
	eventually(t, "the completions are let go", func() bool { return p.sessions.Completing() == 0 })
	p.Dispatcher.Close()
	for _, ticket := range []string{"t1", "t2", "t3"} {
		if r, _ := p.Report(ticket); r.Ended() {
			t.Errorf("%s is reported as %s (%s)", ticket, r.Phase, r.Message)
		}
	}
	for _, method := range []string{"CancelScript", "CompleteScript"} {
		if n := calls(m, method); n != 0 {
			t.Errorf("%d times %s", n, method)
		}
	}
	if n := steps(m); n != 1 {
		t.Errorf("%d were started", n)
	}
}

// Escape sequences of a machine do not reach the terminal of who reads the status.
func TestATextOfAMachineIsCleaned(t *testing.T) {
	m := newMachine(t, func(_ context.Context, e *tentacletest.Execution) int32 {
		e.Print(wire.StdErr, "\x1b[2Jred\x07 \u009b31m and\ttab")
		return 99
	})
	p := newPool(t)
	p.Dispatch(runAction(m, "t1"))
	if r := await(t, p, "t1", ended); r.Message != "red 31m and\ttab" {
		t.Errorf("%q", r.Message)
	}
}
