package run

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/plan"
)

// A run starts only if fewer than maxBacklog actions of its namespace wait to be sent, and fewer than maxEntering runs are
// being started, so that the runs that have started are finished first. It is asked again after roomPause, or later the more
// runs are before it; only the maxNext oldest of the runs that wait for this start.
const (
	maxBacklog  = 128
	maxEntering = 2
	maxNext     = 16
	roomPause   = time.Second
)

// room is what a run knows that waits for the actions of others.
type room struct {
	generation int64
	// until is when the run is considered again.
	until time.Time
}

// hasRoom waits while many actions of the namespace wait to be sent.
func (r *Reconciler) hasRoom(_ context.Context, f facts) (*plan.Wait, error) {
	enters, before := r.memory.enter(f.Run, r.Dispatcher.Backlog(f.Run.Namespace))
	if enters {
		return nil, nil
	}
	pause := roomPause * time.Duration(1+before/maxNext)
	r.memory.await(f.Run, f.Now.Add(pause))
	return &plan.Wait{Phase: v1alpha1.RunQueued, Reason: v1alpha1.ReasonNamespaceBusy, Again: pause,
		Message: "many actions of other runs in this namespace wait to be sent; the run starts after them"}, nil
}

// leave lets the next run start that waits for it.
func (r *Reconciler) leave(run *v1alpha1.DeploymentRun) {
	if next, found := r.memory.leave(run); found {
		r.entered.Notify(next)
	}
}

// beginning returns how many targets a run has whose targets are fixed and which has started nothing yet; otherwise 0.
func (known *remembered) beginning() (n int) {
	switch {
	case known.created != nil:
		for _, s := range known.created.slices {
			n += len(s.Spec.Targets)
		}
	case known.active != nil && !known.begun:
		n = len(known.active.ledger.Targets)
	}
	return n
}

// enter reports whether a run can be started: the backlog of its namespace is small, it is among the oldest there that wait,
// and few are being started. If so, leave must be called when it was. Otherwise, before is how many older ones wait.
func (m *memory) enter(run *v1alpha1.DeploymentRun, backlog int) (enters bool, before int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known, entering := m.of(run), 0
	s := m.spaceOf(run.Namespace)
	for _, other := range s.starting {
		if other == known {
			continue
		}
		if backlog += other.beginning(); other.entering {
			entering++
		}
	}
	before, _ = s.find(known)
	if backlog >= maxBacklog || before >= maxNext || entering >= maxEntering {
		return false, before
	}
	known.room, known.entering = nil, true
	m.place(known)
	return true, 0
}

// leave is called when a run was started, or was not. It returns the oldest run that waits for this; false if there is none.
func (m *memory) leave(run *v1alpha1.DeploymentRun) (next types.NamespacedName, found bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	entered := m.known(run)
	if entered == nil || !entered.entering {
		return next, false
	}
	entered.entering = false
	m.place(entered)
	waiting := m.spaceOf(run.Namespace).waiting
	if len(waiting) == 0 {
		return next, false
	}
	waiting[0].room.until = time.Time{}
	return waiting[0].name, true
}

// await stores that a run waits for room.
func (m *memory) await(run *v1alpha1.DeploymentRun, until time.Time) {
	m.change(run, func(known *remembered) {
		known.room = &room{generation: run.Generation, until: until}
	})
}

// endPause makes the next pass consider a run that waits for room.
func (m *memory) endPause(run *v1alpha1.DeploymentRun) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.known(run); known != nil && known.room != nil {
		known.room.until = time.Time{}
	}
}

// waits returns how long a run pauses that waits for room. A change of the run ends its pause.
func (m *memory) waits(run *v1alpha1.DeploymentRun, now time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.known(run)
	if known == nil || known.room == nil || known.room.generation != run.Generation {
		return 0
	}
	return known.room.until.Sub(now)
}
