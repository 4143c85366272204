// Package watch contains predicates that select the events for which controllers must reconcile, and transforms that
// reduce large objects in the cache.
package watch

import (
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// Targets selects changes of a DeploymentTarget on which deployments depend: its spec, its health, why it is not Ready,
// its certificate, and what is installed. A health check with the same result is ignored.
func Targets() predicate.Predicate {
	return onUpdate(func(before, after *v1alpha1.DeploymentTarget) bool {
		return otherMachine(before, after) || otherInstalled(before, after)
	})
}

// Machines selects what Targets does, except updates in which only status.installed changed.
func Machines() predicate.Predicate {
	return onUpdate(otherMachine)
}

// Installed selects updates of a DeploymentTarget in which, of what Targets compares, only status.installed changed.
func Installed() predicate.Predicate {
	return updatesOnly(onUpdate(func(before, after *v1alpha1.DeploymentTarget) bool {
		return !otherMachine(before, after) && otherInstalled(before, after)
	}))
}

// updatesOnly selects no other events than updates.
func updatesOnly(p predicate.Funcs) predicate.Funcs {
	p.CreateFunc = func(event.CreateEvent) bool { return false }
	p.DeleteFunc = func(event.DeleteEvent) bool { return false }
	p.GenericFunc = func(event.GenericEvent) bool { return false }
	return p
}

func onUpdate(selects func(before, after *v1alpha1.DeploymentTarget) bool) predicate.Funcs {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.DeploymentTarget)
		after, is := e.ObjectNew.(*v1alpha1.DeploymentTarget)
		return !ok || !is || selects(before, after)
	}}
}

func otherMachine(before, after *v1alpha1.DeploymentTarget) bool {
	return before.UID != after.UID || before.Generation != after.Generation || before.Status.Health != after.Status.Health ||
		ready(before) != ready(after) || !equality.Semantic.DeepEqual(before.Labels, after.Labels) ||
		!equality.Semantic.DeepEqual(before.Status.JournalRead, after.Status.JournalRead) ||
		!equality.Semantic.DeepEqual(before.Status.Certificate, after.Status.Certificate)
}

func otherInstalled(before, after *v1alpha1.DeploymentTarget) bool {
	return !equality.Semantic.DeepEqual(before.Status.Installed, after.Status.Installed)
}

// ready returns the content of a target's Ready condition, with its generation.
func ready(t *v1alpha1.DeploymentTarget) (said struct {
	Reason, Message string
	Generation      int64
}) {
	if c := meta.FindStatusCondition(t.Status.Conditions, v1alpha1.ConditionReady); c != nil {
		said.Reason, said.Message, said.Generation = c.Reason, c.Message, c.ObservedGeneration
	}
	return said
}

// Releases selects changes of a Release on which deployments depend: all but those of its metadata.
func Releases() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.Release)
		after, is := e.ObjectNew.(*v1alpha1.Release)
		return !ok || !is || before.UID != after.UID || before.Generation != after.Generation || !equality.Semantic.DeepEqual(before.Status, after.Status)
	}}
}

// Existence selects that an object was created or deleted.
func Existence() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool { return e.ObjectOld.GetUID() != e.ObjectNew.GetUID() }}
}

// RunEnds selects the update of a DeploymentRun with which it ends.
func RunEnds() predicate.Predicate {
	return updatesOnly(predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.DeploymentRun)
		after, is := e.ObjectNew.(*v1alpha1.DeploymentRun)
		return ok && is && after.Status.Phase.IsTerminal() && (before.UID != after.UID || !before.Status.Phase.IsTerminal())
	}})
}

// Ended returns the names of the targets whose results ended between two versions of a slice; before may be nil.
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

// Slim is the cache transform of DeploymentRunSlices and DeploymentRuns, which can have hundreds of kilobytes: it
// removes the messages, outputs and times of single steps. Code that needs these, or writes the status of a run, must
// read from the API server.
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
