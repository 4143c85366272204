package binding

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/desired"
	"github.com/mantledeploy/mantle/controllers/internal/status"
)

// describe sets the binding's status from the decision.
func describe(f facts, d decision) {
	b := f.Binding
	s := &b.Status
	s.ObservedGeneration = b.Generation
	s.Release = string(b.Spec.Release)
	s.Targets = d.Counts
	s.Progress = fmt.Sprintf("%d/%d", d.Counts.UpToDate, d.Counts.Desired)
	s.CurrentRun = d.CurrentRun
	if f.Release != nil {
		s.Snapshot = f.Release.Status.Snapshot
	}
	if f.Process != nil { // otherwise the desired targets are unknown
		s.Running = runningReleases(f)
	}
	describeChain(s, f)
	c := status.Conditions{List: &s.Conditions, Generation: b.Generation, Now: f.Now}
	c.Remove(v1alpha1.ConditionHeld)
	switch d.State {
	case stateUpToDate:
		c.Ready(d.Reason, d.Message)
	case stateProgressing:
		c.Reconciling(d.Reason, d.Message)
	case stateWaiting:
		c.Reconciling(d.Reason, d.Message)
		c.Set(v1alpha1.ConditionHeld, metav1.ConditionTrue, d.Reason, d.Message)
	case stateHeld:
		c.Stalled(d.Reason, d.Message)
		c.Set(v1alpha1.ConditionHeld, metav1.ConditionTrue, d.Reason, d.Message)
	case stateStalled:
		c.Stalled(d.Reason, d.Message)
	}
}

// describeChain sets what the status says about the newest runs. Runs that are in the record already are skipped: an earlier
// pass handled them, and newer ones of them may have been deleted since.
func describeChain(s *v1alpha1.ReleaseBindingStatus, f facts) {
	recorded := int64(0)
	if s.Record != nil {
		recorded = desired.Stored(s.Record.Sequence)
	}
	if f.Record != nil {
		s.Record = f.Record
	}
	s.Sequence = newestNumber(f)
	for i := range f.Chain {
		run := &f.Chain[i]
		if desired.Sequence(run) <= recorded {
			continue
		}
		if token := run.Annotations[v1alpha1.AnnotationHandledRetry]; token != "" {
			s.LastHandledRetry = token
		}
		if !run.Status.Phase.IsTerminal() {
			continue
		}
		s.LastRun = run.Name
		if run.Status.Phase == v1alpha1.RunSucceeded && run.Spec.Purpose != v1alpha1.PurposeConvergence {
			s.LastSuccessfulRelease = string(run.Spec.Release)
		}
	}
}

// runningReleases returns the release that most desired targets have at present, and in parentheses those of the others.
func runningReleases(f facts) string {
	var all desired.Releases
	for i := range f.Desired {
		if row := desired.Installed(&f.Desired[i], f.Binding.Spec.Project, f.Binding.Spec.Environment); row != nil {
			all.Add(row)
		}
	}
	most, _, others := all.Most()
	if others != "" {
		others = "(" + others + ")"
	}
	return strings.TrimSpace(most + " " + others)
}
