package tentacle_test

import (
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/controllers/internal/tentacle"
)

// newsPool is a pool that tells when an action has news, and when a machine was not reached.
func newsPool(t *testing.T) (p *tentacle.Pool, news, unreached chan struct{}) {
	t.Helper()
	news, unreached = make(chan struct{}, 100), make(chan struct{}, 100)
	tell := func(c chan struct{}) func(types.NamespacedName) {
		return func(types.NamespacedName) {
			select {
			case c <- struct{}{}:
			default:
			}
		}
	}
	p = tentacle.NewPool(tentacle.Config{RetryPause: 20 * time.Millisecond, PollMin: 20 * time.Millisecond, PollMax: 100 * time.Millisecond, Wait: 2 * time.Second,
		Notify: tell(news), Unreached: tell(unreached)})
	t.Cleanup(p.Close)
	return p, news, unreached
}

func within(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(20 * time.Second):
		t.Fatalf("not in time: %s", what)
	}
}

// A target is deleted, or given another pin, while its package is sent: the machine of before gets no script, nor the
// secrets that go with it.
func TestWhatIsForgottenDuringItsTransferIsNotStarted(t *testing.T) {
	m := newMachine(t, engine(0, ""))
	p, news, _ := newsPool(t)
	sending, goOn := make(chan struct{}), make(chan struct{})
	sha := strings.Repeat("ef", 32)
	a := runAction(m, "t1")
	a.Content = &tentacle.Content{SHA256: sha, Format: "tar", Size: 7, Path: step.ContentPath(sha, "tar"), Open: sync.OnceValues(func() (io.ReadCloser, error) {
		close(sending)
		<-goOn
		return io.NopCloser(strings.NewReader("content")), nil
	})}
	p.Dispatch(a)
	within(t, sending, "the package is sent")
	p.Forget("t1")
	close(goOn)
	within(t, news, "the action ends")
	if n := steps(m); n != 0 {
		t.Errorf("the step was started %d times", n)
	}
}

// A new leader asks a machine that is away about an action, and its row ends meanwhile.
func TestWhatIsForgottenWhileTheMachineIsAwayIsNotStarted(t *testing.T) {
	m := newMachine(t, engine(0, ""))
	p, news, unreached := newsPool(t)
	m.Stop()
	a := runAction(m, "t1")
	a.Resume = true
	p.Dispatch(a)
	within(t, unreached, "the machine is asked")
	p.Forget("t1")
	m.Listen()
	within(t, news, "the action ends")
	if n := steps(m); n != 0 {
		t.Errorf("the step was started %d times", n)
	}
}
