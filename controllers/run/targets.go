package run

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/desired"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
	"github.com/mantledeploy/mantle/controllers/internal/plan"
	"github.com/mantledeploy/mantle/controllers/internal/snapshot"
	"github.com/mantledeploy/mantle/controllers/internal/status"
)

// resolveTargets selects the targets of the run, and with them which steps run on each. The set is fixed from then on.
func (r *Reconciler) resolveTargets(ctx context.Context, f facts) (time.Duration, error) {
	process, err := r.frozen.Read(ctx, f.Release)
	if err != nil {
		return 0, err
	}
	targets, outcome, err := r.choose(ctx, f, process)
	if err != nil {
		return 0, err
	}
	if outcome == nil {
		outcome = tooMany(process, len(targets))
	}
	if outcome != nil {
		finish(ctx, f, *outcome)
		return 0, nil
	}
	if err := r.commit(ctx, f, process, targets); err != nil {
		return 0, err
	}
	ctrl.LoggerFrom(ctx).Info("run started", "release", f.Run.Spec.Release, "targets", len(targets))
	return time.Millisecond, nil
}

// choose returns the targets of the run, or the outcome if the run ends without starting any.
func (r *Reconciler) choose(ctx context.Context, f facts, process *v1alpha1.ProjectSpec) ([]v1alpha1.DeploymentTarget, *plan.Outcome, error) {
	all, err := r.targets(ctx, f.Run)
	if err != nil {
		return nil, nil, err
	}
	if f.Binding == nil {
		targets, outcome := included(f, process, all)
		return targets, outcome, nil
	}
	if len(desired.Desired(f.Binding.Spec, process.Steps, all)) == 0 {
		return nil, nil, nil // plan ends the run according to settings.noTargets of the project
	}
	var binding v1alpha1.ReleaseBinding // from the API server, as its record may have just been written
	if err := r.Reader.Get(ctx, client.ObjectKeyFromObject(f.Binding), &binding); err != nil {
		return nil, nil, fmt.Errorf("reading binding: %w", err)
	}
	targets := desired.Outdated(&binding, f.Run, f.Release.Status.Snapshot, process.Steps, all)
	if len(targets) == 0 {
		return nil, &plan.Outcome{Phase: v1alpha1.RunSucceeded, Reason: v1alpha1.ReasonNothingToDo, Message: "every target already has the release"}, nil
	}
	return targets, nil, nil
}

// included returns the targets of a run that a user created.
func included(f facts, process *v1alpha1.ProjectSpec, all []v1alpha1.DeploymentTarget) ([]v1alpha1.DeploymentTarget, *plan.Outcome) {
	spec := v1alpha1.ReleaseBindingSpec{Project: f.Run.Spec.Project, Environment: f.Run.Spec.Environment}
	if f.Run.Spec.Targets != nil && len(f.Run.Spec.Targets.Include) > 0 {
		spec.Targets = &v1alpha1.BindingTargets{Names: f.Run.Spec.Targets.Include}
	}
	targets := desired.Desired(spec, process.Steps, all)
	if spec.Targets == nil {
		return targets, nil
	}
	for _, name := range spec.Targets.Names {
		if !slices.ContainsFunc(targets, func(t v1alpha1.DeploymentTarget) bool { return t.Name == string(name) }) {
			return nil, &plan.Outcome{Phase: v1alpha1.RunFailed, Reason: v1alpha1.ReasonTargetNotFound, Message: fmt.Sprintf(
				"spec.targets.include: %s is not a DeploymentTarget of environment %s with the role of a step; create a run without it", name, f.Run.Spec.Environment)}
		}
	}
	return targets, nil
}

// tooMany returns the outcome of a run that has more targets than its slices can hold, otherwise nil.
func tooMany(process *v1alpha1.ProjectSpec, targets int) *plan.Outcome {
	most := ledger.MaxTargets(process)
	if targets <= most {
		return nil
	}
	return &plan.Outcome{Phase: v1alpha1.RunFailed, Reason: v1alpha1.ReasonFailed, Message: fmt.Sprintf(
		"nothing was deployed: the run has %d targets, but with these steps a run can have at most %d; use several environments, or merge steps", targets, most)}
}

func pointers[T any](all []T) []*T {
	to := make([]*T, len(all))
	for i := range all {
		to[i] = &all[i]
	}
	return to
}

// commit stores the set of targets. It makes the run an owner of the snapshot and creates the slices, and sets the status
// last: the set is fixed once the status is written.
func (r *Reconciler) commit(ctx context.Context, f facts, process *v1alpha1.ProjectSpec, targets []v1alpha1.DeploymentTarget) error {
	if err := snapshot.Own(ctx, r.Client, r.Reader, f.Run, f.Release.Status.Snapshot); err != nil {
		return err
	}
	parts := ledger.Cut(f.Run, process, targets)
	if err := ledger.Create(ctx, r.Client, r.Reader, f.Run, parts); err != nil {
		return err
	}
	r.memory.keepCreated(f.Run, created{process: process, slices: pointers(parts)})
	s := &f.Run.Status
	now := metav1.NewTime(f.Now)
	s.StartTime, s.Snapshot, s.Slices, s.Phase = &now, f.Release.Status.Snapshot, int32(len(parts)), v1alpha1.RunRunning
	s.ObservedGeneration = f.Run.Generation
	s.Targets = v1alpha1.RunTargetCounts{Total: int32(len(targets)), Pending: int32(len(targets))}
	s.Progress = fmt.Sprintf("0/%d", len(targets))
	c := status.Conditions{List: &s.Conditions, Generation: f.Run.Generation}
	c.Set(v1alpha1.ConditionTargetsResolved, metav1.ConditionTrue, v1alpha1.ReasonTargetsResolved, fmt.Sprintf("%d targets", len(targets)))
	c.Set(v1alpha1.ConditionPackagesReady, metav1.ConditionTrue, v1alpha1.ReasonPackagesReady, "every package is in the operator's cache")
	c.Reconciling(v1alpha1.ReasonRunning, "the run has started")
	return nil
}
