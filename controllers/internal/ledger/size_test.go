package ledger

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// TestTheLargestSliceStaysUnder256KiB fills slices with the longest names, messages and outputs there can be.
func TestTheLargestSliceStaysUnder256KiB(t *testing.T) {
	for _, leaves := range []int{1, 6, 16, 64} {
		t.Run(fmt.Sprintf("%d actions", leaves), func(t *testing.T) {
			process := &v1alpha1.ProjectSpec{}
			for i := range leaves {
				if i%16 == 0 {
					process.Steps = append(process.Steps, v1alpha1.Step{Name: name("parent", i)})
				}
				parent := &process.Steps[len(process.Steps)-1]
				parent.Steps = append(parent.Steps, v1alpha1.ChildStep{Name: name("child", i)})
			}
			slice := &v1alpha1.DeploymentRunSlice{ObjectMeta: metav1.ObjectMeta{Name: strings.Repeat("r", 200) + "-000"}}
			for i := range perSlice(leaves) {
				target := v1alpha1.SliceTarget{Name: string(name("target", i)), UID: types.UID(strings.Repeat("u", 36)), Thumbprint: "sha256:" + strings.Repeat("a", 64)}
				for step := range process.Steps {
					target.Steps = append(target.Steps, int32(step))
				}
				slice.Spec.Targets = append(slice.Spec.Targets, target)
			}
			l := New(&v1alpha1.DeploymentRun{}, process, []*v1alpha1.DeploymentRunSlice{slice})
			kept := fill(t, l)
			slice.Status.Results = l.results(0, nil)
			content, err := json.Marshal(slice)
			if err != nil || len(content) > 256<<10 {
				t.Errorf("%d targets take %d bytes, %v", len(slice.Spec.Targets), len(content), err)
			}
			if rows := len(slice.Status.Results) * len(slice.Status.Results[0].Steps); rows != len(slice.Spec.Targets)*leaves {
				t.Errorf("%d rows are left", rows)
			}
			stored := 0
			for _, result := range slice.Status.Results {
				stored += len(result.Outputs)
			}
			if stored != kept {
				t.Errorf("%d outputs are stored of %d that later steps read", stored, kept)
			}
			t.Logf("%d targets, %d bytes, %d outputs", len(slice.Spec.Targets), len(content), stored)
		})
	}
}

func name(kind string, i int) v1alpha1.StepName {
	text := fmt.Sprintf("%s-%03d-", kind, i)
	return v1alpha1.StepName(text + strings.Repeat("x", 63-len(text)))
}

// fill ends every action with the largest row, and tells how many outputs were kept.
func fill(t *testing.T, l *Ledger) (kept int) {
	t.Helper()
	exit, now := int32(-2147483648), time.Now()
	for target := range l.Targets {
		for leaf := range l.Leaves {
			k := Key{target, leaf}
			l.Begin(k, 20, now, "")
			l.AddOutputs(k, map[string]string{"step.output": strings.Repeat("\x01", 8<<10), "step.other": strings.Repeat("o", 100)})
			err := l.End(k, now, func(a *Attempt) {
				a.Phase, a.Sent, a.Answered, a.NextTime, a.ExitCode, a.Seconds = v1alpha1.StepSucceeded, true, 32, now, &exit, "1209600.0"
				a.Reason, a.Message = strings.Repeat("<R", 512), strings.Repeat("\x01", maxMessage)
				a.Log = &v1alpha1.ActionLog{Size: 64 << 20, Reason: v1alpha1.ReasonLogUnavailable}
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		values, _ := l.Outputs.of(l.Targets[target].Name)
		kept += len(values)
	}
	return kept
}
