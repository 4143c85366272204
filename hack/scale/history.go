//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// historyRelease is none of those that are measured.
const historyRelease = "0.1.0"

// mostHistory is how many finished runs a project can keep.
const mostHistory = 1000

// createHistory makes finished runs of projects that have no other part in what is measured. It is called before the operator
// starts, which else would carry them out before they have a status.
func (w *world) createHistory(ctx context.Context) error {
	began := time.Now()
	name := func(i int) v1alpha1.ObjectName {
		return v1alpha1.ObjectName(fmt.Sprintf("history-%03d", i/mostHistory))
	}
	for i := 0; i < w.history; i += mostHistory {
		p := &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: string(name(i))}, Spec: v1alpha1.ProjectSpec{
			History: v1alpha1.ProjectHistory{Runs: mostHistory},
			Steps: []v1alpha1.Step{{Name: "step-1", StepModifiers: v1alpha1.StepModifiers{
				Run: &v1alpha1.RunStep{Shell: v1alpha1.ShellBash, Script: script}}}}}}
		if err := w.create(ctx, p); err != nil {
			return err
		}
	}
	err := parallel(w.history, func(i int) error {
		r := &v1alpha1.DeploymentRun{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("%s-%05d", name(i), i)},
			Spec: v1alpha1.DeploymentRunSpec{Project: name(i), Environment: environment, Release: historyRelease}}
		if err := w.create(ctx, r); err != nil {
			return err
		}
		now := metav1.Now()
		r.Status = v1alpha1.DeploymentRunStatus{ObservedGeneration: r.Generation, Phase: v1alpha1.RunSucceeded, Progress: "25/25",
			StartTime: &now, FinishTime: &now, Targets: v1alpha1.RunTargetCounts{Total: 25, Succeeded: 25},
			Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: "Succeeded",
				Message: "release " + historyRelease + " is on 25 targets", LastTransitionTime: now, ObservedGeneration: r.Generation}}}
		if err := w.client.Status().Update(ctx, r); err != nil {
			return fmt.Errorf("ending %s: %w", r.Name, err)
		}
		return nil
	})
	if err == nil && w.history > 0 {
		say("%d finished runs, after %s", w.history, seconds(time.Since(began)))
	}
	return err
}
