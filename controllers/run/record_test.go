package run

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/plan"
)

// TestTheLargestSliceStaysUnder256KiB fills slices with the longest names, messages and outputs there can be.
func TestTheLargestSliceStaysUnder256KiB(t *testing.T) {
	for _, leaves := range []int{1, 6, 16, 64} {
		t.Run(fmt.Sprintf("%d actions", leaves), func(t *testing.T) {
			l := &live{process: &v1alpha1.ProjectSpec{}, rows: map[plan.Key]*row{}, outputs: map[string]map[string]string{}}
			for i := range leaves {
				if i%16 == 0 {
					l.process.Steps = append(l.process.Steps, v1alpha1.Step{Name: name("parent", i)})
				}
				parent := &l.process.Steps[len(l.process.Steps)-1]
				parent.Steps = append(parent.Steps, v1alpha1.ChildStep{Name: name("child", i)})
			}
			var targets []v1alpha1.DeploymentTarget
			for i := range 120 {
				targets = append(targets, v1alpha1.DeploymentTarget{ObjectMeta: metav1.ObjectMeta{Name: string(name("target", i)), UID: types.UID(strings.Repeat("u", 36))},
					Spec: v1alpha1.DeploymentTargetSpec{Thumbprint: "sha256:" + strings.Repeat("a", 64)}})
			}
			run := &v1alpha1.DeploymentRun{ObjectMeta: metav1.ObjectMeta{Name: strings.Repeat("r", 200)}}
			slice := cutSlices(run, targets, leaves)[0]
			fill(l, slice)
			slice.Status.Results = l.results(slice.Spec.Targets, plan.Summary{Results: map[string]plan.TargetSummary{}})
			content, err := json.Marshal(slice)
			if err != nil || len(content) > 256<<10 {
				t.Errorf("%d targets take %d bytes, %v", len(slice.Spec.Targets), len(content), err)
			}
			if rows := len(slice.Status.Results) * len(slice.Status.Results[0].Steps); rows != len(slice.Spec.Targets)*leaves {
				t.Errorf("%d rows are left", rows)
			}
			t.Logf("%d targets, %d bytes", len(slice.Spec.Targets), len(content))
		})
	}
}

func name(kind string, i int) v1alpha1.StepName {
	text := fmt.Sprintf("%s-%03d-", kind, i)
	return v1alpha1.StepName(text + strings.Repeat("x", 63-len(text)))
}

func fill(l *live, slice v1alpha1.DeploymentRunSlice) {
	exit := int32(-2147483648)
	for _, target := range slice.Spec.Targets {
		l.outputs[target.Name] = map[string]string{"step.output": strings.Repeat("\x01", 32<<10)}
		for _, leaf := range v1alpha1.Leaves(l.process.Steps) {
			l.rows[plan.Key{Target: target.Name, Step: leaf.Path}] = &row{seconds: "604800.0", log: &v1alpha1.ActionLog{Size: 64 << 20, Reason: v1alpha1.ReasonLogUnavailable},
				Row: plan.Row{Phase: v1alpha1.StepSucceeded, Attempt: 1, StartTime: time.Now(), ExitCode: &exit, Reason: v1alpha1.ReasonMutexTimedOut, Message: strings.Repeat("\x01", maxMessage)}}
		}
	}
}
