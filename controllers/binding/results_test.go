package binding

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/desired"
)

// At the end of a large run the statuses of its targets are thousands of writes, which a binding does not wait for: what a
// run has brought to a target, its slice says.
func TestABindingIsReadyBeforeItsTargetsShowASuccess(t *testing.T) {
	succeeded := v1alpha1.TargetResult{Phase: v1alpha1.StepSucceeded, FinishTime: &metav1.Time{Time: now},
		Steps: []v1alpha1.ActionStatus{{Name: "install", Phase: v1alpha1.StepSucceeded, Sent: true}}}
	failed := succeeded
	failed.Phase, failed.Steps = v1alpha1.StepFailed, []v1alpha1.ActionStatus{{Name: "install", Phase: v1alpha1.StepFailed, Sent: true}}
	for name, tt := range map[string]struct {
		results  []v1alpha1.TargetResult
		snapshot string
		want     state
		reason   string
		upToDate int32
	}{
		"both succeeded":              {[]v1alpha1.TargetResult{succeeded, succeeded}, snap, stateUpToDate, v1alpha1.ReasonUpToDate, 2},
		"one failed":                  {[]v1alpha1.TargetResult{succeeded, failed}, snap, stateProgressing, v1alpha1.ReasonRecording, 1},
		"the cache does not show one": {[]v1alpha1.TargetResult{succeeded}, snap, stateProgressing, v1alpha1.ReasonRecording, 1},
		"of another snapshot":         {[]v1alpha1.TargetResult{succeeded, succeeded}, "shop-0.9.0-abc", stateProgressing, v1alpha1.ReasonRecording, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := world(targets(web("web-1", has("old", v1alpha1.InstalledSucceeded, "r0")), web("web-2")), ran("r1", "", v1alpha1.RunSucceeded, v1alpha1.PurposeRollout))
			newest := f.Chain.Newest()
			newest.Status.Snapshot = tt.snapshot
			for i := range f.Desired {
				f.Desired[i].Spec.Thumbprint = "pin"
				if row := desired.Installed(&f.Desired[i], "shop", "production"); row != nil {
					row.Time = nil
				}
			}
			shared := f.Desired[0].Status.Installed
			slice := v1alpha1.DeploymentRunSlice{}
			for i, n := range []string{"web-1", "web-2"} {
				slice.Spec.Targets = append(slice.Spec.Targets, v1alpha1.SliceTarget{Name: n, UID: types.UID("uid-" + n), Thumbprint: "pin", Steps: []int32{0}})
				if i < len(tt.results) {
					result := tt.results[i]
					result.Target = n
					slice.Status.Results = append(slice.Status.Results, result)
				}
			}
			rows := []v1alpha1.DeploymentRunSlice{slice}
			f.Expected, f.Skipped = desired.Expected(newest, rows, f.Desired)
			f.addResults(newest, rows)
			if d := decide(f); d.State != tt.want || d.Reason != tt.reason || d.Counts.UpToDate != tt.upToDate {
				t.Errorf("it is %s, %s with %d targets: %s", d.State, d.Reason, d.Counts.UpToDate, d.Message)
			}
			if shared[0].Snapshot != "old" {
				t.Error("what the cache shares was changed")
			}
		})
	}
}
