package dispatch_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/dispatch"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// Nobody knows whether the lost StartScript arrived; the machine says that it did not, so it is sent again.
func TestAStartThatGotLostIsAskedForAndSentAgain(t *testing.T) {
	m, p := newMachine(t, engine(0, "", "out")), newPool(t)
	m.Inject(tentacletest.Before("StartScript"), 3, tentacletest.Drop)
	a := runAction(m, "t1")
	a.Machine.RetryDuration = time.Millisecond
	p.Dispatch(a)
	if r := await(t, p, "t1", ended); r.Phase != v1alpha1.StepSucceeded || steps(m) != 1 {
		t.Errorf("ended as %s (%s), ran %d times", r.Phase, r.Message, steps(m))
	}
}

func TestACancelOfWhatNeverArrivedIsACancel(t *testing.T) {
	m, p := newMachine(t, engine(0, "")), newPool(t)
	m.Inject(tentacletest.Before("StartScript"), -1, tentacletest.Drop)
	p.Dispatch(runAction(m, "t1"))
	eventually(t, "StartScript was tried", func() bool { return calls(m, "StartScript") > 1 })
	p.Cancel("t1")
	if r := await(t, p, "t1", ended); r.Phase != v1alpha1.StepCancelled || steps(m) != 0 {
		t.Errorf("ended as %s (%s), ran %d times", r.Phase, r.Message, steps(m))
	}
}

// A machine set up anew under its old identity knows nothing of the script that it ran.
func TestAScriptThatTheMachineForgotIsLost(t *testing.T) {
	m, p := newMachine(t, tentacletest.Holds(make(chan struct{}), engine(0, ""))), newPool(t)
	p.Dispatch(runAction(m, "t1"))
	await(t, p, "t1", running)
	m.Forget()
	if r := await(t, p, "t1", ended); r.Phase != v1alpha1.StepLost || r.Reason != "Lost" {
		t.Errorf("ended as %s %s (%s)", r.Phase, r.Reason, r.Message)
	}
}

// The operator's end says nothing about the action: the next process asks the machine.
func TestStoppingReportsNothingThatIsNotSo(t *testing.T) {
	m, p := newMachine(t, engine(0, "")), newPool(t)
	m.Inject(tentacletest.Before("StartScript"), -1, tentacletest.Stall)
	a := runAction(m, "t1")
	a.Machine.RetryDuration = time.Millisecond
	p.Dispatch(a)
	eventually(t, "StartScript was sent", func() bool { return calls(m, "StartScript") > 0 })
	before := time.Now()
	p.Close()
	if r, _ := p.Report("t1"); r.Ended() {
		t.Errorf("reported as %s (%s)", r.Phase, r.Message)
	}
	if took := time.Since(before); took > 3*time.Second {
		t.Errorf("stopping took %s", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := p.sessions.Probe(ctx, m.Machine); err == nil {
		t.Error("a stopped pool still calls machines")
	}
}

func TestAStallingContentIsNotSentBeforeItIsWhole(t *testing.T) {
	m, p := newMachine(t, engine(0, "")), newPool(t)
	sha := strings.Repeat("cd", 32)
	m.Inject(tentacletest.After("UploadFile"), 2, tentacletest.Drop)
	a := runAction(m, "t1")
	a.Machine.RetryDuration = 50 * time.Millisecond // much less than the transfer of a large package takes
	a.Content = &session.Content{SHA256: sha, Format: "tar", Size: 7, Path: step.ContentPath(sha, "tar"), Open: func() (io.ReadCloser, error) {
		time.Sleep(60 * time.Millisecond) // the transfer itself
		return io.NopCloser(strings.NewReader("content")), nil
	}}
	p.Dispatch(a)
	if r := await(t, p, "t1", ended); r.Phase != v1alpha1.StepSucceeded || calls(m, "UploadFile") != 3 {
		t.Errorf("ended as %s (%s) after %d transfers", r.Phase, r.Message, calls(m, "UploadFile"))
	}
}

// A script may be silent for as long as it likes; that it has begun is told soon, as its time-out counts from then.
func TestASilentScriptIsSeenToBegin(t *testing.T) {
	m := newMachine(t, tentacletest.Holds(make(chan struct{}), engine(0, "")))
	p := newPool(t, defaults)
	before := time.Now()
	p.Dispatch(runAction(m, "t1"))
	if r := await(t, p, "t1", running); r.Begun.IsZero() || time.Since(before) > 10*time.Second {
		t.Errorf("seen to begin after %s: %+v", time.Since(before), r)
	}
}

// A Tentacle that is replaced by one without WaitForStatus while it is followed is polled from then on.
func TestCapabilitiesAreAskedAgainAfterAFailure(t *testing.T) {
	m, p := newMachine(t, tentacletest.Holds(make(chan struct{}), engine(0, ""))), newPool(t)
	m.Inject(tentacletest.Before("WaitForStatus"), -1, tentacletest.Drop)
	p.Dispatch(runAction(m, "t1"))
	eventually(t, "the facts were asked for again", func() bool { return calls(m, "GetCapabilities") > 1 })
}

// A Tentacle that is upgraded between two steps closes its connections, and no call fails for it. One that only lost its
// connections is not asked again.
func TestCapabilitiesAreAskedAgainOfAnotherProcess(t *testing.T) {
	m, p := newMachine(t, engine(0, "")), newPool(t)
	for i, want := range []int{1, 1, 2, 2} {
		ticket := fmt.Sprint("t", i)
		p.Dispatch(runAction(m, ticket))
		if r := await(t, p, ticket, ended); r.Phase != v1alpha1.StepSucceeded {
			t.Fatalf("ended as %s (%s)", r.Phase, r.Message)
		}
		if got := calls(m, "GetCapabilities"); got != want {
			t.Errorf("the machine was asked %d times for its capabilities, want %d", got, want)
		}
		if i == 1 {
			m.Restart()
		}
		m.DropConnections()
	}
}

func TestAFailureWhileFollowingIsTold(t *testing.T) {
	told := make(chan types.NamespacedName, 100)
	m := newMachine(t, tentacletest.Holds(make(chan struct{}), engine(0, "")))
	p := newPool(t, func(s *session.Config, _ *dispatch.Config) {
		s.Unreached = func(n types.NamespacedName) {
			select {
			case told <- n:
			default:
			}
		}
	})
	p.Dispatch(runAction(m, "t1"))
	await(t, p, "t1", running)
	m.Stop()
	select {
	case n := <-told:
		if n.Name != "web-1" || n.Namespace != "shop" {
			t.Errorf("told of %s", n)
		}
	case <-time.After(10 * time.Second):
		t.Error("nobody was told")
	}
}

// A result is written some seconds after it came. One handshake costs a machine and the operator more than all the rest.
func TestAResultThatIsWrittenLaterNeedsNoOtherConnection(t *testing.T) {
	var dials atomic.Int32
	m, p := newMachine(t, engine(0, "")), newPool(t, func(s *session.Config, _ *dispatch.Config) {
		s.Linger = time.Nanosecond
		s.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			dials.Add(1)
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}
	})
	p.Dispatch(runAction(m, "t1"))
	await(t, p, "t1", ended)
	p.Acknowledge(uid, m.Machine, "t1")
	eventually(t, "it was completed", func() bool { return calls(m, "CompleteScript") == 1 })
	if n := dials.Load(); n != 1 {
		t.Errorf("%d connections were made, want 1", n)
	}
}

// Every ticket is completed over one connection of its machine, and a machine that is away does not hold them for ever.
func TestManyTicketsAreCompleted(t *testing.T) {
	m, p := newMachine(t, engine(0, "")), newPool(t)
	m.Inject(tentacletest.Before("CompleteScript"), 2, tentacletest.Drop)
	for i := range 50 {
		p.Acknowledge(uid, m.Machine, "t"+strconv.Itoa(i))
	}
	eventually(t, "all were completed", func() bool { return calls(m, "CompleteScript") == 52 })
}
