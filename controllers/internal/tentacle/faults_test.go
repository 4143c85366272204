package tentacle_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
	"github.com/mantledeploy/mantle/controllers/internal/tentacle"
)

func calls(m machine, method string) int {
	n := 0
	for _, c := range m.Calls() {
		if c == method {
			n++
		}
	}
	return n
}

func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !check(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// One machine that swallows connections must not make another look as if it were away.
func TestWaitingToDialIsNotTheMachinesFault(t *testing.T) {
	m := newMachine(t, engine(0, ""))
	dead := m.Machine
	dead.Address, dead.ConnectTimeout = "dead:1", 2*time.Second
	dialling := make(chan struct{}, 1)
	p := tentacle.NewPool(tentacle.Config{MaxDials: 1, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == "dead:1" {
			dialling <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}})
	t.Cleanup(p.Close)
	var work sync.WaitGroup
	work.Go(func() {
		var connect *halibut.ConnectError
		if _, err := p.Probe(t.Context(), dead); !errors.As(err, &connect) || connect.Stage != halibut.ConnectTimedOut {
			t.Errorf("the dead machine: %v", err)
		}
	})
	<-dialling
	alive := m.Machine
	alive.ConnectTimeout = time.Second
	if _, err := p.Probe(t.Context(), alive); err != nil {
		t.Errorf("the machine that waited for its turn: %v", err)
	}
	work.Wait()
}

// Nobody knows whether the lost StartScript arrived; the machine says that it did not, so it is sent again.
func TestAStartThatGotLostIsAskedForAndSentAgain(t *testing.T) {
	m, p := newMachine(t, engine(0, "", "out")), newPool(t)
	m.Inject(tentacletest.Before("StartScript"), 3, tentacletest.Drop)
	a := runAction(m, "t1")
	a.Machine.RetryDuration = time.Millisecond
	p.Dispatch(a)
	if r := await(t, p, "t1", tentacle.Ended); r.Outcome != tentacle.OutcomeSucceeded || steps(m) != 1 {
		t.Errorf("ended as %s (%s), ran %d times", r.Outcome, r.Message, steps(m))
	}
}

func TestACancelOfWhatNeverArrivedIsACancel(t *testing.T) {
	m, p := newMachine(t, engine(0, "")), newPool(t)
	m.Inject(tentacletest.Before("StartScript"), -1, tentacletest.Drop)
	p.Dispatch(runAction(m, "t1"))
	eventually(t, "StartScript was tried", func() bool { return calls(m, "StartScript") > 1 })
	p.Cancel("t1")
	if r := await(t, p, "t1", tentacle.Ended); r.Outcome != tentacle.OutcomeCancelled || steps(m) != 0 {
		t.Errorf("ended as %s (%s), ran %d times", r.Outcome, r.Message, steps(m))
	}
}

// A machine set up anew under its old identity knows nothing of the script that it ran.
func TestAScriptThatTheMachineForgotIsLost(t *testing.T) {
	m, p := newMachine(t, tentacletest.Holds(make(chan struct{}), engine(0, ""))), newPool(t)
	p.Dispatch(runAction(m, "t1"))
	await(t, p, "t1", tentacle.Running)
	m.Forget()
	if r := await(t, p, "t1", tentacle.Ended); r.Outcome != tentacle.OutcomeLost || r.Reason != "Lost" {
		t.Errorf("ended as %s %s (%s)", r.Outcome, r.Reason, r.Message)
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
	if r, _ := p.Report("t1"); r.State == tentacle.Ended {
		t.Errorf("reported as %s (%s)", r.Outcome, r.Message)
	}
	if took := time.Since(before); took > 3*time.Second {
		t.Errorf("stopping took %s", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := p.Probe(ctx, m.Machine); err == nil {
		t.Error("a stopped pool still calls machines")
	}
}

func TestAStallingContentIsNotSentBeforeItIsWhole(t *testing.T) {
	m, p := newMachine(t, engine(0, "")), newPool(t)
	sha := strings.Repeat("cd", 32)
	m.Inject(tentacletest.After("UploadFile"), 2, tentacletest.Drop)
	a := runAction(m, "t1")
	a.Machine.RetryDuration = 50 * time.Millisecond // much less than the transfer of a large package takes
	a.Content = &tentacle.Content{SHA256: sha, Format: "tar", Size: 7, Path: step.ContentPath(sha, "tar"), Open: func() (io.ReadCloser, error) {
		time.Sleep(60 * time.Millisecond) // the transfer itself
		return io.NopCloser(strings.NewReader("content")), nil
	}}
	p.Dispatch(a)
	if r := await(t, p, "t1", tentacle.Ended); r.Outcome != tentacle.OutcomeSucceeded || calls(m, "UploadFile") != 3 {
		t.Errorf("ended as %s (%s) after %d transfers", r.Outcome, r.Message, calls(m, "UploadFile"))
	}
}

// A script may be silent for as long as it likes; that it has begun is told soon, as its time-out counts from then.
func TestASilentScriptIsSeenToBegin(t *testing.T) {
	m := newMachine(t, tentacletest.Holds(make(chan struct{}), engine(0, "")))
	p := tentacle.NewPool(tentacle.Config{})
	t.Cleanup(p.Close)
	before := time.Now()
	p.Dispatch(runAction(m, "t1"))
	if r := await(t, p, "t1", tentacle.Running); r.Begun.IsZero() || time.Since(before) > 10*time.Second {
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

// A Tentacle that is upgraded between two steps closes its connections, and no call fails for it.
func TestCapabilitiesAreAskedAgainAfterAReconnection(t *testing.T) {
	m, p := newMachine(t, engine(0, "")), newPool(t)
	for i, want := range []int{1, 2} {
		ticket := fmt.Sprint("t", i)
		p.Dispatch(runAction(m, ticket))
		if r := await(t, p, ticket, tentacle.Ended); r.Outcome != tentacle.OutcomeSucceeded {
			t.Fatalf("ended as %s (%s)", r.Outcome, r.Message)
		}
		if got := calls(m, "GetCapabilities"); got < want {
			t.Errorf("the machine was asked %d times for its capabilities, want %d", got, want)
		}
		m.DropConnections()
	}
}

func TestAFailureWhileFollowingIsTold(t *testing.T) {
	told := make(chan types.NamespacedName, 100)
	m := newMachine(t, tentacletest.Holds(make(chan struct{}), engine(0, "")))
	p := tentacle.NewPool(tentacle.Config{RetryPause: 20 * time.Millisecond, Unreached: func(n types.NamespacedName) {
		select {
		case told <- n:
		default:
		}
	}})
	t.Cleanup(p.Close)
	p.Dispatch(runAction(m, "t1"))
	await(t, p, "t1", tentacle.Running)
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

func TestASilentTentacleIsNotWaitedForLong(t *testing.T) {
	t.Parallel()
	m, p := newMachine(t, engine(0, "")), newPool(t)
	m.Inject(tentacletest.Before("GetCapabilities"), -1, tentacletest.Stall)
	before := time.Now()
	_, err := p.Probe(t.Context(), m.Machine)
	var connect *halibut.ConnectError
	if !errors.As(err, &connect) || connect.Stage != halibut.NoAnswer || time.Since(before) > 25*time.Second {
		t.Errorf("%v after %s", err, time.Since(before))
	}
}

// Every ticket is completed over one connection of its machine, and a machine that is away does not hold them for ever.
func TestManyTicketsAreCompleted(t *testing.T) {
	m, p := newMachine(t, engine(0, "")), newPool(t)
	m.Inject(tentacletest.Before("CompleteScript"), 2, tentacletest.Drop)
	for i := range 50 {
		p.Complete(m.Machine, "t"+strconv.Itoa(i))
	}
	eventually(t, "all were completed", func() bool { return calls(m, "CompleteScript") == 52 })
}
