package desired

import (
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// MaxInstalled is how many pairs of project and environment a target's status can contain.
const MaxInstalled = 32

// Installed returns the target's row for the project in the environment, or nil.
func Installed(t *v1alpha1.DeploymentTarget, project, environment v1alpha1.ObjectName) *v1alpha1.InstalledRelease {
	for i := range t.Status.Installed {
		row := &t.Status.Installed[i]
		if row.Project == string(project) && row.Environment == string(environment) {
			return row
		}
	}
	return nil
}

// UpToDate reports whether the target has the snapshot. Only a deployment that succeeded counts, and only if it
// included every step that addresses the target now. A row without steps, for example one that was read from the
// machine's own journal, counts as one with all steps.
func UpToDate(t *v1alpha1.DeploymentTarget, project, environment v1alpha1.ObjectName, snapshot string, steps []v1alpha1.Step) bool {
	row := Installed(t, project, environment)
	if row == nil || row.Phase != v1alpha1.InstalledSucceeded || row.Snapshot != snapshot {
		return false
	}
	if len(row.Steps) == 0 {
		return true
	}
	return !slices.ContainsFunc(steps, func(s v1alpha1.Step) bool {
		return addresses(s, t) && !slices.Contains(row.Steps, string(s.Name))
	})
}

// Full reports whether the target has reached MaxInstalled and does not have this pair of project and environment.
func Full(t *v1alpha1.DeploymentTarget, project, environment v1alpha1.ObjectName) bool {
	return len(t.Status.Installed) >= MaxInstalled && Installed(t, project, environment) == nil
}

// Outcome returns what status.installed of a target of the run's fixed set must show for the run; empty if the row must
// not change. The result is nil if the slice has no row for the target.
//
// A run changes the row of every target to which something was sent. A run without failures changes the rows of the other
// targets too, if none of their steps was missed. Any other run does not change the row of a target to which nothing was
// sent.
func Outcome(run *v1alpha1.DeploymentRun, target v1alpha1.SliceTarget, result *v1alpha1.TargetResult) v1alpha1.InstalledPhase {
	switch {
	case result != nil && result.Begun():
		if !run.Status.Phase.IsTerminal() && !result.Phase.IsTerminal() {
			return ""
		}
		return touched(result.Phase)
	case !WentThrough(run.Status.Phase):
		return ""
	case result != nil:
		return untouched(result)
	case len(target.Steps) > 0:
		return v1alpha1.InstalledSucceeded // none of its steps had to run
	default:
		return ""
	}
}

// Row is the row of status.installed that the run writes to a target of its fixed set, without its steps; nil if the run
// says nothing of the target (see Outcome).
func Row(run *v1alpha1.DeploymentRun, target v1alpha1.SliceTarget, result *v1alpha1.TargetResult) *v1alpha1.InstalledRelease {
	phase := Outcome(run, target, result)
	if phase == "" {
		return nil
	}
	row := &v1alpha1.InstalledRelease{Project: string(run.Spec.Project), Environment: string(run.Spec.Environment),
		Release: string(run.Spec.Release), Snapshot: run.Status.Snapshot, Run: run.Name, RunUID: run.UID, Phase: phase, Time: run.Status.FinishTime}
	if result != nil && result.FinishTime != nil {
		row.Time = result.FinishTime
	}
	return row
}

// WentThrough reports whether a run that ended in this phase reached its last step without a failure.
func WentThrough(phase v1alpha1.RunPhase) bool {
	return phase == v1alpha1.RunSucceeded || phase == v1alpha1.RunSkipped
}

// touched returns the outcome on a target to which something was sent.
func touched(phase v1alpha1.StepPhase) v1alpha1.InstalledPhase {
	switch {
	case phase == v1alpha1.StepSucceeded:
		return v1alpha1.InstalledSucceeded
	case phase.IsFailure():
		return v1alpha1.InstalledFailed
	default:
		return v1alpha1.InstalledIncomplete
	}
}

// untouched returns the outcome on a target to which nothing was sent, in a run without failures.
func untouched(result *v1alpha1.TargetResult) v1alpha1.InstalledPhase {
	var outcome v1alpha1.InstalledPhase // without steps, only a success has an outcome
	if len(result.Steps) > 0 || result.Phase == v1alpha1.StepSucceeded {
		outcome = v1alpha1.InstalledSucceeded
	}
	for _, s := range result.Steps {
		switch {
		case s.Phase.IsFailure():
			return v1alpha1.InstalledFailed
		case s.Phase != v1alpha1.StepSkipped && s.Phase != v1alpha1.StepSucceeded, missed.Has(s.Reason):
			outcome = ""
		}
	}
	if result.Phase.IsFailure() {
		return v1alpha1.InstalledFailed
	}
	if missed.Has(result.Reason) {
		return ""
	}
	return outcome
}

// missed are the reasons of a skipped action that should have run.
var missed = sets.New(v1alpha1.ReasonUnavailable, v1alpha1.ReasonCordoned, v1alpha1.ReasonTargetDeleted, //nolint:gochecknoglobals // a constant set
	v1alpha1.ReasonTargetChanged, v1alpha1.ReasonStopped)

// Expected returns the targets, by UID, whose status.installed will show the run (expected), and those that have a row
// in its slices but will not show it (passed).
func Expected(run *v1alpha1.DeploymentRun, filled []v1alpha1.DeploymentRunSlice, targets []v1alpha1.DeploymentTarget) (expected, passed sets.Set[types.UID]) {
	expected, passed = sets.New[types.UID](), sets.New[types.UID]()
	Each(filled, targets, func(t v1alpha1.SliceTarget, result *v1alpha1.TargetResult) {
		switch {
		case Outcome(run, t, result) != "":
			expected.Insert(t.UID)
		case result != nil:
			passed.Insert(t.UID)
		}
	})
	return expected, passed
}

// Each calls see for the targets in the slices, with their results or nil. It skips a target whose thumbprint has
// changed: the run does not apply to the new machine.
func Each(filled []v1alpha1.DeploymentRunSlice, targets []v1alpha1.DeploymentTarget, see func(v1alpha1.SliceTarget, *v1alpha1.TargetResult)) {
	pins := make(map[types.UID]string, len(targets))
	for i := range targets {
		pins[targets[i].UID] = targets[i].Spec.Thumbprint
	}
	for i := range filled {
		results := make(map[string]*v1alpha1.TargetResult, len(filled[i].Status.Results))
		for j := range filled[i].Status.Results {
			results[filled[i].Status.Results[j].Target] = &filled[i].Status.Results[j]
		}
		for _, t := range filled[i].Spec.Targets {
			if pin, known := pins[t.UID]; known && pin == t.Thumbprint {
				see(t, results[t.Name])
			}
		}
	}
}

// Shows reports whether a target's row is of the run or of a newer one. older are runs that are known to be older,
// because times in seconds do not always decide. For a full target it returns true, because such a target never gets a
// row.
func Shows(t *v1alpha1.DeploymentTarget, run *v1alpha1.DeploymentRun, older []v1alpha1.DeploymentRun) bool {
	row := Installed(t, run.Spec.Project, run.Spec.Environment)
	if row == nil {
		return Full(t, run.Spec.Project, run.Spec.Environment)
	}
	if row.RunUID == run.UID {
		return true
	}
	for i := range older {
		if older[i].UID == row.RunUID {
			return false
		}
	}
	return row.Time != nil && run.Status.StartTime != nil && !row.Time.Before(run.Status.StartTime)
}
