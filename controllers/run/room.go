package run

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/plan"
)

// A run starts only if fewer than maxBacklog actions of its namespace wait to be sent, so that the runs that have started
// are finished first. It is asked again after roomPause, and only the maxNext oldest of the runs that wait for this start.
const (
	maxBacklog = 128
	maxNext    = 16
	roomPause  = time.Second
)

// room is what a run knows that waits for the actions of others.
type room struct {
	created    time.Time
	generation int64
	// until is when the run is considered again.
	until time.Time
}

// hasRoom waits while many actions of the namespace wait to be sent.
func (r *Reconciler) hasRoom(_ context.Context, f facts) (*plan.Wait, error) {
	backlog := r.Dispatcher.Backlog(f.Run.Namespace) + r.memory.beginning(f.Run.Namespace)
	if backlog < maxBacklog && r.memory.olderWaiting(f.Run) < maxNext {
		r.memory.enter(f.Run)
		return nil, nil
	}
	r.memory.await(f.Run, f.Now.Add(roomPause))
	return &plan.Wait{Phase: v1alpha1.RunQueued, Reason: v1alpha1.ReasonNamespaceBusy, Again: roomPause,
		Message: "many actions of other runs in this namespace wait to be sent; the run starts after them"}, nil
}

// beginning returns how many targets the runs of a namespace have whose targets are fixed and which have started nothing yet.
func (m *memory) beginning(namespace string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for name, known := range m.runs {
		switch {
		case name.Namespace != namespace:
		case known.created != nil:
			for _, s := range known.created.slices {
				n += len(s.Spec.Targets)
			}
		case known.active != nil && !known.active.begun:
			n += len(known.active.ledger.Targets)
		}
	}
	return n
}

// olderWaiting returns how many older runs of the namespace wait for room.
func (m *memory) olderWaiting(run *v1alpha1.DeploymentRun) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for name, known := range m.runs {
		if w := known.room; w != nil && name.Namespace == run.Namespace && older(w.created, name, run) {
			n++
		}
	}
	return n
}

func older(created time.Time, name types.NamespacedName, run *v1alpha1.DeploymentRun) bool {
	if !created.Equal(run.CreationTimestamp.Time) {
		return created.Before(run.CreationTimestamp.Time)
	}
	return name.Name < run.Name
}

// await stores that a run waits for room.
func (m *memory) await(run *v1alpha1.DeploymentRun, until time.Time) {
	m.change(run, func(known *remembered) {
		known.room = &room{created: run.CreationTimestamp.Time, generation: run.Generation, until: until}
	})
}

// enter stores that a run does not wait for room.
func (m *memory) enter(run *v1alpha1.DeploymentRun) {
	m.change(run, func(known *remembered) { known.room = nil })
}

// waits returns how long a run pauses that waits for room. A change of the run ends its pause.
func (m *memory) waits(run *v1alpha1.DeploymentRun, now time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.runs[nameOf(run)]
	if known == nil || known.uid != run.UID || known.room == nil || known.room.generation != run.Generation {
		return 0
	}
	return known.room.until.Sub(now)
}
