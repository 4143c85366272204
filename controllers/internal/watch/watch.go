// Package watch says which changes of an object concern those who watch it, so that an event wakes only whom it concerns,
// and what the cache keeps of large objects.
package watch

import (
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// Targets passes changes of a DeploymentTarget on which deployments depend: its spec, its health, why it is not Ready, its
// certificate, and what is installed. That it was looked at again is no news.
func Targets() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.DeploymentTarget)
		after, is := e.ObjectNew.(*v1alpha1.DeploymentTarget)
		return !ok || !is || before.UID != after.UID || before.Generation != after.Generation || before.Status.Health != after.Status.Health ||
			ready(before) != ready(after) || !equality.Semantic.DeepEqual(before.Labels, after.Labels) ||
			!equality.Semantic.DeepEqual(before.Status.Installed, after.Status.Installed) ||
			!equality.Semantic.DeepEqual(before.Status.JournalRead, after.Status.JournalRead) ||
			!equality.Semantic.DeepEqual(before.Status.Certificate, after.Status.Certificate)
	}}
}

// ready is what the Ready condition of a target says, and of which generation.
func ready(t *v1alpha1.DeploymentTarget) (said struct {
	Reason, Message string
	Generation      int64
}) {
	if c := meta.FindStatusCondition(t.Status.Conditions, v1alpha1.ConditionReady); c != nil {
		said.Reason, said.Message, said.Generation = c.Reason, c.Message, c.ObservedGeneration
	}
	return said
}

// RunEnds passes the one update of a DeploymentRun by which it ends.
func RunEnds() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc:  func(event.CreateEvent) bool { return false },
		DeleteFunc:  func(event.DeleteEvent) bool { return false },
		GenericFunc: func(event.GenericEvent) bool { return false },
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, ok := e.ObjectOld.(*v1alpha1.DeploymentRun)
			after, is := e.ObjectNew.(*v1alpha1.DeploymentRun)
			return ok && is && after.Status.Phase.IsTerminal() && (before.UID != after.UID || !before.Status.Phase.IsTerminal())
		}}
}

// Ended are the names of the targets whose results ended between two versions of a slice; before may be nil.
func Ended(before, after *v1alpha1.DeploymentRunSlice) []string {
	had := map[string]bool{}
	if before != nil && before.UID == after.UID {
		for i := range before.Status.Results {
			had[before.Status.Results[i].Target] = before.Status.Results[i].Phase.IsTerminal()
		}
	}
	var names []string
	for i := range after.Status.Results {
		if result := &after.Status.Results[i]; result.Phase.IsTerminal() && !had[result.Target] {
			names = append(names, result.Target)
		}
	}
	return names
}

// Slim is what the cache keeps of DeploymentRunSlices and DeploymentRuns, which can be hundreds of kilobytes large: not the
// words, outputs and times of single steps. Who needs these, or writes the status of a run, reads past the cache.
func Slim(o any) (any, error) {
	switch o := o.(type) {
	case cache.DeletedFinalStateUnknown:
		return o, nil
	case *v1alpha1.DeploymentRunSlice:
		o.ManagedFields = nil
		for i := range o.Status.Results {
			result := &o.Status.Results[i]
			result.Outputs = nil
			for j, step := range result.Steps {
				result.Steps[j] = v1alpha1.ActionStatus{Name: step.Name, Phase: step.Phase, Attempt: step.Attempt, Sent: step.Sent, Reason: step.Reason}
			}
		}
	case *v1alpha1.DeploymentRun:
		o.ManagedFields, o.Status.Failures, o.Status.Steps = nil, nil, nil
	}
	return o, nil
}
