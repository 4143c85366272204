package wish

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// Began tells by UID of each of these targets that is in the run's slices whether something began on it there. A target
// that is another machine by now is left out: the run says nothing of it.
func Began(slices []v1alpha1.DeploymentRunSlice, targets []v1alpha1.DeploymentTarget) map[types.UID]bool {
	pins := map[types.UID]string{}
	for i := range targets {
		pins[targets[i].UID] = targets[i].Spec.Thumbprint
	}
	began := map[types.UID]bool{}
	for _, slice := range slices {
		uids := map[string]types.UID{}
		for _, t := range slice.Spec.Targets {
			if pin, known := pins[t.UID]; known && pin == t.Thumbprint {
				uids[t.Name] = t.UID
			}
		}
		for _, row := range slice.Status.Results {
			if uid, known := uids[row.Target]; known {
				began[uid] = row.Begun()
			}
		}
	}
	return began
}

// Shows tells whether a target's row speaks of the run or of a newer one. Other runs that are older help where times,
// which have seconds, do not tell.
func Shows(row *v1alpha1.InstalledRelease, run *v1alpha1.DeploymentRun, older []v1alpha1.DeploymentRun) bool {
	if row == nil {
		return false
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
