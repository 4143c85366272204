package tentacle_test

import (
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/tentacle"
)

func TestWhatMustNotBeStartedIsAskedFor(t *testing.T) {
	release := make(chan struct{})
	m := newMachine(t, tentacletest.Holds(release, engine(0, "")))
	first := newPool(t)
	first.Dispatch(runAction(m, "t1"))
	await(t, first, "t1", tentacle.Running)
	first.Close()
	second := newPool(t)
	for _, ticket := range []string{"t1", "t2"} {
		a := runAction(m, ticket)
		a.Resume, a.Barred = true, &tentacle.Barred{Reason: v1alpha1.ReasonVariableMissing, Message: "secret db has no key password"}
		a.Plan.Kind, a.Plan.Run = "", nil // its values are not known
		second.Dispatch(a)
	}
	close(release)
	if r := await(t, second, "t1", tentacle.Ended); r.Outcome != tentacle.OutcomeSucceeded {
		t.Errorf("what was running ended as %s (%s)", r.Outcome, r.Message)
	}
	r := await(t, second, "t2", tentacle.Ended)
	if r.Outcome != tentacle.OutcomeFailed || r.Reason != v1alpha1.ReasonVariableMissing || steps(m) != 1 {
		t.Errorf("what never began ended as %s (%s: %s); %d ran", r.Outcome, r.Reason, r.Message, steps(m))
	}
}

func TestAPackageThatIsStillFetchedIsWaitedFor(t *testing.T) {
	m, p := newMachine(t, engine(0, "")), newPool(t)
	sha := strings.Repeat("ef", 32)
	var there atomic.Bool
	var asked atomic.Int32
	a := runAction(m, "t1")
	a.Machine.RetryDuration = time.Millisecond // much less than the fetch takes
	a.Content = &tentacle.Content{SHA256: sha, Format: "tar", Size: 7, Path: step.ContentPath(sha, "tar"),
		Ready: func() error {
			if asked.Add(1); there.Load() {
				return nil
			}
			return fmt.Errorf("%w: package web 1.0.0 is being fetched", tentacle.ErrNotFetched)
		},
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("content")), nil }}
	p.Dispatch(a)
	for deadline := time.Now().Add(20 * time.Second); asked.Load() < 5; time.Sleep(5 * time.Millisecond) {
		if r, _ := p.Report("t1"); r.State == tentacle.Ended || time.Now().After(deadline) {
			t.Fatalf("it does not wait: %+v", r)
		}
	}
	if n := len(m.Executions()); n != 1 {
		t.Errorf("%d scripts were started to wait for the package", n)
	}
	there.Store(true)
	if r := await(t, p, "t1", tentacle.Ended); r.Outcome != tentacle.OutcomeSucceeded {
		t.Errorf("ended as %s (%s)", r.Outcome, r.Message)
	}
}

func TestAPackageThatCanNeverBeSentEndsTheAction(t *testing.T) {
	m, p := newMachine(t, engine(0, "")), newPool(t)
	sha := strings.Repeat("ef", 32)
	a := runAction(m, "t1")
	a.Resume = true
	a.Content = &tentacle.Content{SHA256: sha, Format: "tar", Size: 7, Path: step.ContentPath(sha, "tar"),
		Ready: func() error {
			return &tentacle.ContentError{Reason: v1alpha1.ReasonPackageChanged, Message: "package web 1.0.0 is another one now"}
		},
		Open: func() (io.ReadCloser, error) { return nil, io.EOF }}
	p.Dispatch(a)
	r := await(t, p, "t1", tentacle.Ended)
	if r.Outcome != tentacle.OutcomeFailed || r.Reason != v1alpha1.ReasonPackageChanged || steps(m) != 0 {
		t.Errorf("ended as %s (%s: %s); %d ran", r.Outcome, r.Reason, r.Message, steps(m))
	}
}
