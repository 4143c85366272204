package run

import (
	"cmp"
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/plan"
	"github.com/mantledeploy/mantle/controllers/internal/status"
)

func conditionsOf(run *v1alpha1.DeploymentRun) status.Conditions {
	run.Status.ObservedGeneration = run.Generation
	return status.Conditions{List: &run.Status.Conditions, Generation: run.Generation}
}

// describeObstacle says what the run waits for.
func describeObstacle(f facts, o obstacle) {
	f.Run.Status.Phase = o.Phase
	c := conditionsOf(f.Run)
	describePackages(c, o)
	if o.Stalled {
		c.Stalled(o.Reason, o.Message)
		return
	}
	c.Reconciling(o.Reason, o.Message)
}

// describePackages says whether a package is waited for; the zero obstacle means none.
func describePackages(c status.Conditions, o obstacle) {
	switch o.Reason {
	case "":
		c.Set(v1alpha1.ConditionPackagesReady, metav1.ConditionTrue, v1alpha1.ReasonPackagesReady, "every package is in the operator's cache")
	case v1alpha1.ReasonPackagePending, v1alpha1.ReasonPackageUnavailable:
		c.Set(v1alpha1.ConditionPackagesReady, metav1.ConditionFalse, o.Reason, o.Message)
	}
}

// describeProgress says how far the run is, and what keeps it from starting more.
func describeProgress(f facts, summary plan.Summary, held obstacle) {
	s := &f.Run.Status
	s.Phase = cmp.Or(held.Phase, v1alpha1.RunRunning)
	if f.Stop == plan.Cancel {
		s.Phase = v1alpha1.RunCancelling
		if s.CancelTime == nil {
			s.CancelTime = stamp(f.Now)
		}
	}
	s.Targets, s.Steps, s.Failures = summary.Targets, summary.Steps, summary.Failures
	s.Progress, s.CurrentStep = summary.Progress, summary.CurrentStep
	c := conditionsOf(f.Run)
	describePackages(c, held)
	message := summary.Progress + " targets"
	if s.CurrentStep != "" {
		message += ", step " + s.CurrentStep
	}
	if held.Message != "" {
		message += "; " + held.Message
	}
	switch f.Stop {
	case plan.Cancel:
		c.Reconciling(v1alpha1.ReasonCancelled, "is being cancelled: "+message)
	case plan.Supersede:
		c.Reconciling(v1alpha1.ReasonSuperseded, "is being superseded: "+message)
	default:
		c.Reconciling(cmp.Or(held.Reason, v1alpha1.ReasonRunning), message)
	}
}

// finish says how the run ended. The rows are written by now.
func (r *Reconciler) finish(ctx context.Context, f facts, o plan.Outcome) error {
	s := &f.Run.Status
	s.Phase, s.CurrentStep, s.FinishTime = o.Phase, "", stamp(f.Now)
	c := conditionsOf(f.Run)
	if o.Phase == v1alpha1.RunSucceeded {
		c.Ready(o.Reason, o.Message)
	} else {
		c.Stalled(o.Reason, o.Message)
	}
	ctrl.LoggerFrom(ctx).Info("ended", "phase", o.Phase, "reason", o.Reason, "message", o.Message)
	return nil
}
