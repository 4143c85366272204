package run

import (
	"cmp"
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/logs"
	"github.com/mantledeploy/mantle/controllers/internal/plan"
	"github.com/mantledeploy/mantle/controllers/internal/status"
)

func conditionsOf(f facts) status.Conditions {
	f.Run.Status.ObservedGeneration = f.Run.Generation
	return status.Conditions{List: &f.Run.Status.Conditions, Generation: f.Run.Generation, Now: f.Now}
}

// describeWait sets the phase and conditions of a run that cannot start, or cannot continue.
func describeWait(f facts, wait plan.Wait) {
	f.Run.Status.Phase = wait.Phase
	c := conditionsOf(f)
	describePackages(c, wait)
	if wait.Stalled {
		c.Stalled(wait.Reason, wait.Message)
		return
	}
	c.Reconciling(wait.Reason, wait.Message)
}

// describePackages sets the condition PackagesReady. The zero Wait means that the run does not wait for a package.
func describePackages(c status.Conditions, wait plan.Wait) {
	switch wait.Reason {
	case v1alpha1.ReasonPackagePending, v1alpha1.ReasonPackageUnavailable:
		c.Set(v1alpha1.ConditionPackagesReady, metav1.ConditionFalse, wait.Reason, wait.Message)
	case "":
		c.Set(v1alpha1.ConditionPackagesReady, metav1.ConditionTrue, v1alpha1.ReasonPackagesReady, "every package is in the operator's cache")
	}
}

// nameLogs completes the paths of the logs in status.failures.
func nameLogs(run *v1alpha1.DeploymentRun) {
	for i := range run.Status.Failures {
		if log := &run.Status.Failures[i].Log; *log != "" {
			*log = logs.Prefix + run.Namespace + "/" + run.Name + "/" + *log
		}
	}
}

// describeProgress sets the progress of the run, and what its actions wait for.
func describeProgress(f facts, summary plan.Summary) {
	s := &f.Run.Status
	var wait plan.Wait
	if len(summary.Waits) > 0 && summary.Waits[0].Reason != v1alpha1.ReasonPreparing {
		wait = summary.Waits[0]
	}
	s.Phase = cmp.Or(wait.Phase, v1alpha1.RunRunning)
	if f.Stop == plan.Cancel {
		s.Phase = v1alpha1.RunCancelling
		if s.CancelTime == nil {
			s.CancelTime = &metav1.Time{Time: f.Now}
		}
	}
	s.Targets, s.Steps, s.Failures = summary.Targets, summary.Steps, summary.Failures
	nameLogs(f.Run)
	s.Progress, s.CurrentStep, s.Waiting = summary.Progress, summary.CurrentStep, summary.Waiting
	c := conditionsOf(f)
	describePackages(c, wait)
	message := summary.Progress + " targets"
	if wait.Message != "" {
		message += "; " + wait.Message
	}
	if more := int(summary.Waiting) - 1; wait.Message != "" && more > 0 {
		message += fmt.Sprintf(" (and %d more waiting)", more)
	}
	switch f.Stop {
	case plan.Cancel:
		c.Reconciling(v1alpha1.ReasonCancelled, "being cancelled: "+message)
	case plan.Supersede:
		c.Reconciling(v1alpha1.ReasonSuperseded, "being superseded: "+message)
	default:
		c.Reconciling(cmp.Or(wait.Reason, v1alpha1.ReasonRunning), message)
	}
}

// finish sets the final phase and conditions of the run. The results in the slices are stored already.
func finish(ctx context.Context, f facts, o plan.Outcome) {
	s := &f.Run.Status
	s.Phase, s.CurrentStep, s.Waiting, s.FinishTime = o.Phase, "", 0, &metav1.Time{Time: f.Now}
	c := conditionsOf(f)
	switch o.Phase {
	case v1alpha1.RunSucceeded:
		c.Ready(o.Reason, o.Message)
	case v1alpha1.RunSkipped:
		c.NotReady(o.Reason, o.Message)
	default:
		c.Stalled(o.Reason, o.Message)
	}
	ctrl.LoggerFrom(ctx).Info("run finished", "phase", o.Phase, "reason", o.Reason, "message", o.Message)
}
