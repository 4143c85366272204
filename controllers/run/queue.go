package run

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// queued lets one run at a time go on for a project in an environment: one that has begun, else the oldest that lacks
// nothing but its turn.
func (r *Reconciler) queued(ctx context.Context, f facts) (obstacle, error) {
	var runs v1alpha1.DeploymentRunList
	if err := r.Client.List(ctx, &runs, client.InNamespace(f.Run.Namespace)); err != nil {
		return obstacle{}, fmt.Errorf("listing runs: %w", err)
	}
	unfinished := map[types.UID]bool{}
	for i := range runs.Items {
		other := &runs.Items[i]
		if keyOf(other) != keyOf(f.Run) || other.UID == f.Run.UID || other.Status.Phase.IsTerminal() {
			continue
		}
		if goesFirst(other, f.Run) {
			return obstacle{Phase: v1alpha1.RunQueued, Reason: v1alpha1.ReasonQueued, Message: "run " + other.Name + " goes first"}, nil
		}
		unfinished[other.UID] = true
	}
	if holder := r.lives.claim(f.Run, unfinished); holder != f.Run.UID {
		return obstacle{Phase: v1alpha1.RunQueued, Reason: v1alpha1.ReasonQueued, Message: "another run goes first", Again: time.Second}, nil
	}
	return obstacle{}, nil
}

// goesFirst tells whether run a has begun, or would go before b, which has not.
func goesFirst(a, b *v1alpha1.DeploymentRun) bool {
	if a.Status.StartTime != nil {
		return true
	}
	if !inLine(a) {
		return false
	}
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return a.Name < b.Name
}

// inLine tells whether a run that has not begun lacks nothing but its turn, as far as anybody knows: what it lacks may
// never come, and must not keep others from going.
func inLine(run *v1alpha1.DeploymentRun) bool {
	ready := meta.FindStatusCondition(run.Status.Conditions, v1alpha1.ConditionReady)
	return ready == nil || ready.Reason == v1alpha1.ReasonQueued || ready.Reason == v1alpha1.ReasonRecording
}
