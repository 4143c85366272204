package plan

import (
	"fmt"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
)

// fleet is a run of ten steps on n targets of which the first nine are done.
func fleet(n int) View {
	v := View{Now: time.Now()}
	var steps []int32
	for i := range 10 {
		v.Steps = append(v.Steps, v1alpha1.Step{Name: v1alpha1.StepName(fmt.Sprintf("step-%d", i))})
		steps = append(steps, int32(i))
	}
	for i := range n {
		v.Targets = append(v.Targets, Target{Name: fmt.Sprintf("target-%04d", i), Steps: steps})
		row := make([]*ledger.Attempt, 10)
		for j := range 9 {
			row[j] = &ledger.Attempt{Phase: v1alpha1.StepSucceeded, Number: 1, Sent: true}
		}
		v.Attempts = append(v.Attempts, row)
	}
	return v
}

// BenchmarkEvaluate evaluates a run of 5,000 targets and ten leaves: as a step begins on all of them, and while it runs.
func BenchmarkEvaluate(b *testing.B) {
	v := fleet(5000)
	b.Run("begins", func(b *testing.B) { evaluateAll(b, v) })
	for i := range v.Attempts {
		v.Attempts[i][9] = &ledger.Attempt{Phase: v1alpha1.StepRunning, Number: 1, Sent: true, StartTime: v.Now}
	}
	b.Run("runs", func(b *testing.B) { evaluateAll(b, v) })
}

func evaluateAll(b *testing.B, v View) {
	b.ReportAllocs()
	for b.Loop() {
		if e := Evaluate(v); e.Targets.Total != 5000 {
			b.Fatalf("%+v", e.Targets)
		}
	}
}
