package plan

import (
	"fmt"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// fleet is a run of ten steps on n targets of which the first nine are done.
func fleet(n int) Facts {
	f := Facts{Now: time.Now(), Rows: map[Key]Row{}}
	for i := range 10 {
		f.Steps = append(f.Steps, v1alpha1.Step{Name: v1alpha1.StepName(fmt.Sprintf("step-%d", i))})
	}
	for i := range n {
		f.Targets = append(f.Targets, Target{Name: fmt.Sprintf("target-%04d", i)})
		for j := range 9 {
			f.Rows[Key{f.Targets[i].Name, fmt.Sprintf("step-%d", j)}] = Row{Phase: v1alpha1.StepSucceeded, Attempt: 1}
		}
	}
	return f
}

func BenchmarkNext(b *testing.B) {
	f := fleet(5000)
	for b.Loop() {
		Next(f)
	}
}

func BenchmarkSummarize(b *testing.B) {
	f := fleet(5000)
	for b.Loop() {
		Summarize(f)
	}
}
