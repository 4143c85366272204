package wish

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// Began tells by UID of each of these targets that is in the run's slices whether something began on it there.
func Began(slices []v1alpha1.DeploymentRunSlice, targets []v1alpha1.DeploymentTarget) map[types.UID]bool {
	began := map[types.UID]bool{}
	each(slices, targets, func(uid types.UID, row v1alpha1.TargetResult) { began[uid] = row.Begun() })
	return began
}

// Refused are the targets, by UID, that failed in the slices before anything began on them: their status does not tell.
func Refused(slices []v1alpha1.DeploymentRunSlice, targets []v1alpha1.DeploymentTarget) map[types.UID]bool {
	refused := map[types.UID]bool{}
	each(slices, targets, func(uid types.UID, row v1alpha1.TargetResult) {
		if row.Phase.Bad() && !row.Begun() {
			refused[uid] = true
		}
	})
	return refused
}

// each sees the rows of these targets. A target that is another machine by now is left out: the run says nothing of it.
func each(slices []v1alpha1.DeploymentRunSlice, targets []v1alpha1.DeploymentTarget, see func(types.UID, v1alpha1.TargetResult)) {
	pins := map[types.UID]string{}
	for i := range targets {
		pins[targets[i].UID] = targets[i].Spec.Thumbprint
	}
	for _, slice := range slices {
		uids := map[string]types.UID{}
		for _, t := range slice.Spec.Targets {
			if pin, known := pins[t.UID]; known && pin == t.Thumbprint {
				uids[t.Name] = t.UID
			}
		}
		for _, row := range slice.Status.Results {
			if uid, known := uids[row.Target]; known {
				see(uid, row)
			}
		}
	}
}

// MaxInstalled is how many pairs of project and environment a target's status holds.
const MaxInstalled = 32

// Full tells whether the target takes no further pair of project and environment, and does not have this one.
func Full(t *v1alpha1.DeploymentTarget, project, environment v1alpha1.ObjectName) bool {
	return len(t.Status.Installed) >= MaxInstalled && Installed(t, project, environment) == nil
}

// Shows tells whether a target's row speaks of the run or of a newer one. Other runs that are older help where times,
// which have seconds, do not tell. A full target will never have a row, so there is nothing to wait for.
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
