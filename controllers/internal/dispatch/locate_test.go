package dispatch_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/dispatch"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// road is an address at which a machine can be reached, until it is closed.
type road struct {
	net.Listener
	to      string
	silent  atomic.Bool
	mu      sync.Mutex
	conns   []net.Conn
	carried atomic.Int64
}

func newRoad(t *testing.T, to string) *road {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &road{Listener: l, to: to}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go r.carry(c)
		}
	}()
	t.Cleanup(r.close)
	return r
}

func (r *road) carry(c net.Conn) {
	far, err := net.Dial("tcp", r.to)
	if err != nil {
		_ = c.Close()
		return
	}
	r.mu.Lock()
	r.conns = append(r.conns, c, far)
	r.mu.Unlock()
	r.carried.Add(1)
	go func() { _, _ = io.Copy(far, c) }()
	buffer := make([]byte, 32<<10)
	for {
		n, err := far.Read(buffer)
		if err != nil {
			return
		}
		if !r.silent.Load() {
			_, _ = c.Write(buffer[:n])
		}
	}
}

func (r *road) close() {
	_ = r.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		_ = c.Close()
	}
}

// whereabouts is what Locate answers.
type whereabouts struct {
	mu  sync.Mutex
	at  session.Machine
	err error
}

func (w *whereabouts) locate(context.Context) (session.Machine, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at, w.err
}

func (w *whereabouts) set(at session.Machine, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at, w.err = at, err
}

// A machine gets another address in the middle of a step. The old address swallows everything; the ticket is followed to
// the new one as soon as that is known.
func TestAMovedTargetIsFollowedAtOnce(t *testing.T) {
	release := make(chan struct{})
	m := newMachine(t, tentacletest.Holds(release, engine(0, "", "out")))
	p := newPool(t, func(s *session.Config, _ *dispatch.Config) { s.Wait = time.Minute })
	before := newRoad(t, m.Address)
	a := runAction(m, "t1")
	a.Machine.Address = before.Addr().String()
	w := &whereabouts{at: a.Machine}
	a.Locate = w.locate
	p.Dispatch(a)
	if r := await(t, p, "t1", running); r.Host != before.Addr().String() {
		t.Errorf("it is said to be at %s", r.Host)
	}
	eventually(t, "the answer is held", func() bool { return calls(m, "WaitForStatus") > 0 })
	before.silent.Store(true)
	moved := time.Now()
	w.set(m.Machine, nil)
	p.Relocate("t1")
	close(release)
	r := await(t, p, "t1", ended)
	if r.Phase != v1alpha1.StepSucceeded || steps(m) != 1 || r.Host != m.Address || a.Log.(*kept).text() != "out" {
		t.Errorf("ended as %s (%s) at %s, ran %d times, output %q", r.Phase, r.Message, r.Host, steps(m), a.Log.(*kept).text())
	}
	if took := time.Since(moved); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
}

// Without being told, a machine that cannot be reached any more is looked for where it is now.
func TestAMachineThatIsGoneIsLookedForElsewhere(t *testing.T) {
	release := make(chan struct{})
	m, p := newMachine(t, tentacletest.Holds(release, engine(0, ""))), newPool(t)
	before := newRoad(t, m.Address)
	a := runAction(m, "t1")
	a.Machine.Address = before.Addr().String()
	w := &whereabouts{at: a.Machine}
	a.Locate = w.locate
	p.Dispatch(a)
	await(t, p, "t1", running)
	before.close()
	r := await(t, p, "t1", waiting(v1alpha1.ReasonConnectionRefused))
	if !strings.HasPrefix(r.Message, "cannot be reached at "+before.Addr().String()+": ") || !strings.HasSuffix(r.Message, "; asked again every 10s") || !r.Sent {
		t.Errorf("%q, sent %v", r.Message, r.Sent)
	}
	w.set(m.Machine, nil)
	await(t, p, "t1", free)
	close(release)
	if r := await(t, p, "t1", ended); r.Phase != v1alpha1.StepSucceeded || steps(m) != 1 {
		t.Errorf("ended as %s (%s), ran %d times", r.Phase, r.Message, steps(m))
	}
}

// A target that is not sent to yet moves too: only the new machine gets the script.
func TestWhatIsNotSentYetGoesToTheNewAddress(t *testing.T) {
	m, p := newMachine(t, engine(0, "")), newPool(t)
	a := runAction(m, "t1")
	a.Machine.Address, a.Machine.RetryDuration = "127.0.0.1:1", time.Minute
	w := &whereabouts{at: a.Machine}
	a.Locate = w.locate
	p.Dispatch(a)
	if r := await(t, p, "t1", waiting(v1alpha1.ReasonConnectionRefused)); r.Sent {
		t.Error("it is said to be sent")
	}
	w.set(m.Machine, nil)
	p.Relocate("t1")
	if r := await(t, p, "t1", ended); r.Phase != v1alpha1.StepSucceeded {
		t.Errorf("ended as %s (%s)", r.Phase, r.Message)
	}
}

// A target that is deleted, or given another pin: what was not sent ends with that, what was waits for its run to end it.
func TestATargetThatIsAnotherMachineGetsNothing(t *testing.T) {
	gone := &dispatch.NotReady{Reason: v1alpha1.ReasonTargetChanged, Message: "the DeploymentTarget was given another thumbprint", Final: true}
	m := newMachine(t, tentacletest.Holds(make(chan struct{}), engine(0, "")))
	p := newPool(t)
	a := runAction(m, "t1")
	a.Locate = (&whereabouts{err: gone}).locate
	p.Dispatch(a)
	unsent(t, m, await(t, p, "t1", ended), v1alpha1.ReasonTargetChanged)

	sent := runAction(m, "t2")
	w := &whereabouts{at: m.Machine}
	sent.Locate = w.locate
	p.Dispatch(sent)
	await(t, p, "t2", running)
	w.set(m.Machine, gone)
	p.Relocate("t2")
	r := await(t, p, "t2", waiting(v1alpha1.ReasonTargetChanged))
	if r.Message != gone.Message || !r.Sent {
		t.Errorf("%q, sent %v", r.Message, r.Sent)
	}
	asked := len(m.Calls())
	p.Cancel("t2")
	p.Drop("t2")
	p.Dispatcher.Close()
	if n := len(m.Calls()); n != asked {
		t.Errorf("the other machine was asked %d times", n-asked)
	}

	taken := runAction(m, "t3") // which an earlier process may have started
	taken.Resume, taken.Locate = true, (&whereabouts{err: gone}).locate
	second := newPool(t)
	second.Dispatch(taken)
	if r := await(t, second, "t3", waiting(v1alpha1.ReasonTargetChanged)); !r.Sent {
		t.Error("it may have been sent")
	}
}

// A target whose cache is not there yet is waited for, and that time is not the machine's.
func TestATargetThatCannotBeLocatedYetIsWaitedFor(t *testing.T) {
	m, p := newMachine(t, engine(0, "")), newPool(t)
	a := runAction(m, "t1")
	a.Machine.RetryDuration = time.Millisecond
	w := &whereabouts{err: io.ErrUnexpectedEOF}
	a.Locate = w.locate
	p.Dispatch(a)
	await(t, p, "t1", waiting(v1alpha1.ReasonNotPrepared))
	w.set(a.Machine, nil)
	if r := await(t, p, "t1", ended); r.Phase != v1alpha1.StepSucceeded {
		t.Errorf("ended as %s (%s)", r.Phase, r.Message)
	}
}

func TestWhatWaitsForAnotherScriptSaysSo(t *testing.T) {
	release := make(chan struct{})
	m, p := newMachine(t, tentacletest.Holds(release, engine(0, ""))), newPool(t)
	p.Dispatch(runAction(m, "t1"))
	await(t, p, "t1", running)
	p.Dispatch(runAction(m, "t2"))
	r := await(t, p, "t2", waiting(v1alpha1.ReasonMachineBusy))
	if r.Message != "waits until another script on the machine has ended: run run, step install" || !r.Sent || !r.Begun.IsZero() {
		t.Errorf("%+v", r)
	}
	told := p.notified()
	eventually(t, "the machine is asked again", func() bool { return calls(m, "WaitForStatus") > 8 })
	if n := p.notified(); n != told {
		t.Errorf("the run was told %d times of what it knows", n-told)
	}
	close(release)
	if r := await(t, p, "t2", ended); r.Phase != v1alpha1.StepSucceeded || r.Reason != "" {
		t.Errorf("%+v", r)
	}
}

// A machine that is away for a while is told of once, and once that it is back.
func TestAMachineThatStaysAwayIsToldOfOnce(t *testing.T) {
	m, p := newMachine(t, tentacletest.Holds(make(chan struct{}), engine(0, ""))), newPool(t)
	p.Dispatch(runAction(m, "t1"))
	await(t, p, "t1", running)
	m.Stop()
	r := await(t, p, "t1", waiting(v1alpha1.ReasonConnectionRefused))
	if r.Phase != v1alpha1.StepRunning || !r.Sent {
		t.Errorf("%+v", r)
	}
	told, until := p.notified(), time.Now().Add(500*time.Millisecond)
	eventually(t, "some time goes by", func() bool { return time.Now().After(until) })
	if n := p.notified(); n != told {
		t.Errorf("the run was told %d times of what it knows", n-told)
	}
	m.Listen()
	await(t, p, "t1", free)
	if n := p.notified(); n != told+1 {
		t.Errorf("the run was told %d times that it is back", n-told)
	}
}

// Whoever looks at a step that stands still sees how long its machine is tried.
func TestAMachineThatIsAwayIsTriedUntilATimeThatIsTold(t *testing.T) {
	m, p := newMachine(t, engine(0, "")), newPool(t)
	a := runAction(m, "t1")
	road := newRoad(t, m.Address)
	a.Machine.Address, a.Machine.RetryDuration = road.Addr().String(), time.Hour
	road.close()
	before := time.Now()
	p.Dispatch(a)
	r := await(t, p, "t1", waiting(v1alpha1.ReasonConnectionRefused))
	_, until, found := strings.Cut(r.Message, "; tried again every 10s until ")
	at, err := time.Parse(time.RFC3339, until)
	if !found || err != nil || at.Before(before.Add(time.Hour-2*time.Second)) || at.After(time.Now().Add(time.Hour+time.Minute)) || r.Sent {
		t.Errorf("it says %q", r.Message)
	}
	p.Cancel("t1")
	await(t, p, "t1", ended)
}
