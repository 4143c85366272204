package dispatch_test

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/dispatch"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

func within(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(20 * time.Second):
		t.Fatalf("not in time: %s", what)
	}
}

// gone ends an action in one of the ways in which nobody wants it any more.
var gone = map[string]func(*pool){
	"dropped":              func(p *pool) { p.Drop("t1") },
	"forgotten with a run": func(p *pool) { p.Forget(uid) },
}

// quiet checks that nothing is kept of an action and that its goroutine has ended.
func quiet(t *testing.T, p *pool) {
	t.Helper()
	if n := p.Len(); n != 0 {
		t.Errorf("%d actions are kept", n)
	}
	if reports := p.Drain(uid); len(reports) != 0 {
		t.Errorf("reports of what is gone: %+v", reports)
	}
	before := time.Now()
	p.Dispatcher.Close()
	if took := time.Since(before); took > 3*time.Second {
		t.Errorf("the goroutine went on for %s", took)
	}
}

// A target is deleted, or given another pin, while its package is sent: the machine of before gets no script, nor the
// secrets that go with it.
func TestWhatIsDroppedDuringItsTransferIsNotStarted(t *testing.T) {
	for name, end := range gone {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, p := newMachine(t, engine(0, "")), newPool(t)
			transfer, goOn := make(chan struct{}), make(chan struct{})
			sha := strings.Repeat("ef", 32)
			a := runAction(m, "t1")
			a.Content = &session.Content{SHA256: sha, Format: "tar", Size: 7, Path: step.ContentPath(sha, "tar"), Open: sync.OnceValues(func() (io.ReadCloser, error) {
				close(transfer)
				<-goOn
				return io.NopCloser(strings.NewReader("content")), nil
			})}
			p.Dispatch(a)
			within(t, transfer, "the package is sent")
			end(p)
			close(goOn)
			quiet(t, p)
			if n := steps(m); n != 0 {
				t.Errorf("the step was started %d times", n)
			}
		})
	}
}

// A new leader asks a machine that is away about an action, and its row ends meanwhile.
func TestWhatIsDroppedWhileTheMachineIsAwayIsNotStarted(t *testing.T) {
	unreached := make(chan struct{}, 100)
	m := newMachine(t, engine(0, ""))
	p := newPool(t, func(s *session.Config, _ *dispatch.Config) {
		s.Unreached = func(types.NamespacedName) {
			select {
			case unreached <- struct{}{}:
			default:
			}
		}
	})
	m.Stop()
	a := runAction(m, "t1")
	a.Resume = true
	p.Dispatch(a)
	within(t, unreached, "the machine is asked")
	p.Drop("t1")
	m.Listen()
	quiet(t, p)
	if n := steps(m); n != 0 {
		t.Errorf("the step was started %d times", n)
	}
}

// The finalizer of a run is taken away by hand while an action of it is prepared: nothing starts, nothing stays.
func TestWhatIsForgottenWhileItIsPreparedIsNotStarted(t *testing.T) {
	for name, end := range gone {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, p := newMachine(t, engine(0, "")), newPool(t)
			began, goOn := make(chan struct{}), make(chan struct{})
			a := runAction(m, "t1")
			a.Secrets = []string{"hunter2"}
			a.Prepare = func(ctx context.Context) (dispatch.Prepared, error) {
				close(began)
				select {
				case <-goOn:
				case <-ctx.Done():
				}
				return dispatch.Prepared{Plan: a.Plan, Secrets: a.Secrets}, nil
			}
			p.Dispatch(a)
			within(t, began, "it is prepared")
			end(p)
			close(goOn)
			quiet(t, p)
			if n := steps(m); n != 0 || len(m.Calls()) != 0 {
				t.Errorf("the step was started %d times, the machine was asked %q", n, m.Calls())
			}
		})
	}
}

// The actions of a run whose namespace is gone do not go on asking the machine.
func TestAMachineIsNotAskedAboutARunThatIsGone(t *testing.T) {
	for name, end := range gone {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, tentacletest.Holds(make(chan struct{}), engine(0, "")))
			p := newPool(t)
			p.Dispatch(runAction(m, "t1"))
			await(t, p, "t1", running)
			told := p.notified()
			end(p)
			quiet(t, p)
			asked := len(m.Calls())
			other := runAction(m, "t2") // whose questions show that time goes by
			other.Owner.UID = "another"
			second := newPool(t)
			second.Dispatch(other)
			eventually(t, "another action is asked about", func() bool {
				return calls(m, "StartScript") == 2 && calls(m, "WaitForStatus")+calls(m, "GetStatus") > 1
			})
			for _, call := range m.Calls()[asked:] {
				if call == "CancelScript" || call == "CompleteScript" {
					t.Errorf("the machine got %s", call)
				}
			}
			if n := p.notified(); n != told {
				t.Errorf("the owner was told %d times more", n-told)
			}
		})
	}
}

// What a machine was still to be told of a run goes with the run.
func TestCompletionsGoWithTheRun(t *testing.T) {
	m := newMachine(t, engine(0, ""))
	p := newPool(t)
	m.Inject(tentacletest.Before("CompleteScript"), -1, tentacletest.Drop)
	for _, ticket := range []string{"t1", "t2"} {
		p.Acknowledge(uid, m.Machine, ticket)
	}
	eventually(t, "the machine is told", func() bool { return calls(m, "CompleteScript") > 0 })
	p.Forget(uid)
	p.Acknowledge("another", m.Machine, "t3")
	eventually(t, "the queue comes to its end", func() bool { return p.sessions.Completing() == 0 })
	if n := calls(m, "CompleteScript"); n > 8 {
		t.Errorf("the machine was told %d times", n)
	}
}

// A run is forgotten while one of its actions is prepared by what does not hear of it, and another waits for its turn.
func TestNothingIsSentOfWhatIsForgottenWhileItIsPrepared(t *testing.T) {
	m := newMachine(t, engine(0, ""))
	p := newPool(t, func(_ *session.Config, d *dispatch.Config) { d.MaxPrepare = 1 })
	began, goOn := make(chan struct{}), make(chan struct{})
	first, second := runAction(m, "t1"), runAction(m, "t2")
	first.Prepare = func(context.Context) (dispatch.Prepared, error) {
		close(began)
		<-goOn
		return dispatch.Prepared{Plan: first.Plan}, nil
	}
	second.Prepare = func(context.Context) (dispatch.Prepared, error) {
		t.Error("what waited for its turn is prepared")
		return dispatch.Prepared{Plan: second.Plan}, nil
	}
	p.Dispatch(first)
	within(t, began, "it is prepared")
	p.Dispatch(second)
	p.Forget(uid)
	if n := p.Len(); n != 0 {
		t.Errorf("%d actions are kept", n)
	}
	close(goOn)
	other := runAction(m, "t3") // of a run that is made again, say
	p.Dispatch(other)
	if r := await(t, p, "t3", ended); r.Phase != v1alpha1.StepSucceeded || steps(m) != 1 {
		t.Errorf("%s (%s), %d steps were started", r.Phase, r.Message, steps(m))
	}
	p.Drop("t3")
	quiet(t, p)
}

// Who dispatches an action again may have forgotten what it was told of it.
func TestAnActionThatIsDispatchedAgainIsToldOnceMore(t *testing.T) {
	release := make(chan struct{})
	m := newMachine(t, tentacletest.Holds(release, engine(3, "")))
	p := newPool(t)
	a := runAction(m, "t1")
	again := func(want func(dispatch.Report) bool) {
		t.Helper()
		if reports := p.Drain(uid); len(reports) != 0 {
			t.Errorf("it is told again by itself: %+v", reports)
		}
		told := p.notified()
		p.Dispatch(a)
		if n := p.notified(); n != told+1 {
			t.Errorf("the owner was notified %d times", n-told)
		}
		if reports := p.Drain(uid); len(reports) != 1 || reports[0].Ticket != "t1" || !want(reports[0]) {
			t.Errorf("it is told %+v", reports)
		}
		if reports := p.Drain(uid); len(reports) != 0 {
			t.Errorf("it is told more than once more: %+v", reports)
		}
	}
	p.Dispatch(a)
	await(t, p, "t1", running)
	again(running)
	close(release)
	await(t, p, "t1", ended)
	a.Resume = true // as after a conflict
	again(func(r dispatch.Report) bool { return ended(r) && r.ExitCode != nil && *r.ExitCode == 3 })
	if p.Len() != 1 || steps(m) != 1 {
		t.Errorf("%d actions, %d steps were started", p.Len(), steps(m))
	}
}
