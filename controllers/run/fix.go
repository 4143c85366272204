package run

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/plan"
	"github.com/mantledeploy/mantle/controllers/internal/status"
	"github.com/mantledeploy/mantle/controllers/internal/wish"
)

// fix decides which targets the run has. An outcome means that it ends here.
func (r *Reconciler) fix(ctx context.Context, f facts, process *v1alpha1.ProjectSpec) ([]v1alpha1.DeploymentTarget, *plan.Outcome, error) {
	if f.Binding == nil {
		targets, outcome := included(f, process, f.all())
		return targets, outcome, nil
	}
	desired := wish.Desired(f.Binding.Spec, process.Steps, f.all())
	if len(desired) == 0 {
		return nil, nil, nil // plan.Next ends it as the project's settings say
	}
	var chain v1alpha1.DeploymentRunList
	if err := r.Reader.List(ctx, &chain, client.InNamespace(f.Run.Namespace), client.MatchingLabels{v1alpha1.LabelBindingUID: string(f.Binding.UID)}); err != nil {
		return nil, nil, fmt.Errorf("listing runs: %w", err)
	}
	failed := wish.NewChain(chain.Items).Since(f.Run.Annotations[v1alpha1.AnnotationWish]).ConvergenceFailures(f.Run.Annotations[v1alpha1.AnnotationHandledRetry])
	refused, err := r.refused(ctx, f.Run.Namespace, failed, desired)
	if err != nil {
		return nil, nil, err
	}
	targets := slices.DeleteFunc(desired, func(t v1alpha1.DeploymentTarget) bool {
		return refused[t.UID] || wish.UpToDate(&t, f.Run.Spec.Project, f.Run.Spec.Environment, f.Release.Status.Snapshot) ||
			wish.LeftOut(&t, f.Run.Spec.Project, f.Run.Spec.Environment, failed)
	})
	if len(targets) == 0 {
		return nil, &plan.Outcome{Phase: v1alpha1.RunSucceeded, Reason: v1alpha1.ReasonNothingToDo, Message: "every target has the release already"}, nil
	}
	return targets, nil, nil
}

// refused are the targets that failed in one of these runs before anything began on them.
func (r *Reconciler) refused(ctx context.Context, namespace string, runs map[types.UID]bool, targets []v1alpha1.DeploymentTarget) (map[types.UID]bool, error) {
	refused := map[types.UID]bool{}
	for uid := range runs {
		var rows v1alpha1.DeploymentRunSliceList
		if err := r.Reader.List(ctx, &rows, client.InNamespace(namespace), client.MatchingLabels{v1alpha1.LabelRunUID: string(uid)}); err != nil {
			return nil, fmt.Errorf("listing the slices of a run: %w", err)
		}
		maps.Copy(refused, wish.Refused(rows.Items, targets))
	}
	return refused, nil
}

// included are the targets of a person's run.
func included(f facts, process *v1alpha1.ProjectSpec, all []v1alpha1.DeploymentTarget) ([]v1alpha1.DeploymentTarget, *plan.Outcome) {
	spec := v1alpha1.ReleaseBindingSpec{Project: f.Run.Spec.Project, Environment: f.Run.Spec.Environment}
	if f.Run.Spec.Targets != nil && len(f.Run.Spec.Targets.Include) > 0 {
		spec.Targets = &v1alpha1.BindingTargets{Names: f.Run.Spec.Targets.Include}
	}
	targets := wish.Desired(spec, process.Steps, all)
	if spec.Targets == nil {
		return targets, nil
	}
	for _, name := range spec.Targets.Names {
		if !slices.ContainsFunc(targets, func(t v1alpha1.DeploymentTarget) bool { return t.Name == string(name) }) {
			return nil, &plan.Outcome{Phase: v1alpha1.RunFailed, Reason: v1alpha1.ReasonTargetNotFound, Message: fmt.Sprintf(
				"spec.targets.include: %s is no DeploymentTarget of environment %s that a step addresses; make a run without it", name, f.Run.Spec.Environment)}
		}
	}
	return targets, nil
}

// commit writes the fixed set down: owner of the snapshot, slices, and last the status, which makes it hold.
func (r *Reconciler) commit(ctx context.Context, f facts, process *v1alpha1.ProjectSpec, targets []v1alpha1.DeploymentTarget) error {
	if err := r.ownSnapshot(ctx, f); err != nil {
		return err
	}
	wanted := cutSlices(f.Run, targets, len(v1alpha1.Leaves(process.Steps)))
	if err := r.writeSlices(ctx, f.Run, wanted); err != nil {
		return err
	}
	s := &f.Run.Status
	now := metav1.NewTime(f.Now)
	s.StartTime, s.Snapshot, s.Slices, s.Phase = &now, f.Release.Status.Snapshot, int32(len(wanted)), v1alpha1.RunRunning
	s.ObservedGeneration = f.Run.Generation
	s.Targets = v1alpha1.RunTargetCounts{Total: int32(len(targets)), Pending: int32(len(targets))}
	s.Progress = fmt.Sprintf("0/%d", len(targets))
	c := status.Conditions{List: &s.Conditions, Generation: f.Run.Generation}
	c.Set(v1alpha1.ConditionTargetsResolved, metav1.ConditionTrue, v1alpha1.ReasonTargetsResolved, fmt.Sprintf("%d targets", len(targets)))
	c.Set(v1alpha1.ConditionPackagesReady, metav1.ConditionTrue, v1alpha1.ReasonPackagesReady, "every package is in the operator's cache")
	c.Reconciling(v1alpha1.ReasonRunning, "begins")
	return nil
}

// holdRun sets the finalizer, so that nothing is dispatched for a run that can vanish.
func (r *Reconciler) holdRun(ctx context.Context, run *v1alpha1.DeploymentRun) error {
	held := run.DeepCopy()
	controllerutil.AddFinalizer(held, v1alpha1.FinalizerRun)
	if err := r.Client.Patch(ctx, held, client.MergeFromWithOptions(run, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("setting the finalizer of run %s: %w", run.Name, err)
	}
	return nil
}

// ownSnapshot keeps the frozen process while the run needs it, even when the release is deleted.
func (r *Reconciler) ownSnapshot(ctx context.Context, f facts) error {
	var revision appsv1.ControllerRevision
	key := types.NamespacedName{Namespace: f.Run.Namespace, Name: f.Release.Status.Snapshot}
	if err := r.Reader.Get(ctx, key, &revision); err != nil {
		return fmt.Errorf("reading snapshot %s: %w", key.Name, err)
	}
	before := revision.DeepCopy()
	if err := controllerutil.SetOwnerReference(f.Run, &revision, r.Client.Scheme()); err != nil {
		return fmt.Errorf("owning snapshot %s: %w", key.Name, err)
	}
	if err := r.Client.Patch(ctx, &revision, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("owning snapshot %s: %w", key.Name, err)
	}
	return nil
}

// cutSlices spreads the targets, by name, over slices that stay under 256 KiB whatever happens.
func cutSlices(run *v1alpha1.DeploymentRun, targets []v1alpha1.DeploymentTarget, leaves int) []v1alpha1.DeploymentRunSlice {
	slices.SortFunc(targets, func(a, b v1alpha1.DeploymentTarget) int { return strings.Compare(a.Name, b.Name) })
	per := min(max(600/max(leaves, 1), 5), 100)
	var cut []v1alpha1.DeploymentRunSlice
	for part := range slices.Chunk(targets, per) {
		s := v1alpha1.DeploymentRunSlice{ObjectMeta: metav1.ObjectMeta{
			Namespace: run.Namespace, Name: sliceName(run, len(cut)),
			Labels:          map[string]string{v1alpha1.LabelRunUID: string(run.UID)},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(run, v1alpha1.GroupVersion.WithKind("DeploymentRun"))},
		}}
		for _, t := range part {
			s.Spec.Targets = append(s.Spec.Targets, v1alpha1.SliceTarget{Name: t.Name, UID: t.UID, Thumbprint: t.Spec.Thumbprint})
		}
		cut = append(cut, s)
	}
	return cut
}

func sliceName(run *v1alpha1.DeploymentRun, n int) string { return fmt.Sprintf("%s-%03d", run.Name, n) }

// writeSlices makes the slices. Those of an earlier try that did not reach its commit are deleted first.
func (r *Reconciler) writeSlices(ctx context.Context, run *v1alpha1.DeploymentRun, wanted []v1alpha1.DeploymentRunSlice) error {
	var old v1alpha1.DeploymentRunSliceList
	if err := r.Reader.List(ctx, &old, client.InNamespace(run.Namespace), client.MatchingLabels{v1alpha1.LabelRunUID: string(run.UID)}); err != nil {
		return fmt.Errorf("listing slices: %w", err)
	}
	for i := range old.Items {
		uid := old.Items[i].UID
		if err := r.Client.Delete(ctx, &old.Items[i], client.Preconditions{UID: &uid}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("deleting slice %s of an earlier try: %w", old.Items[i].Name, err)
		}
	}
	for i := range wanted {
		if err := r.Client.Create(ctx, &wanted[i]); err != nil {
			return fmt.Errorf("making slice %s: %w", wanted[i].Name, err)
		}
	}
	meta.RemoveStatusCondition(&run.Status.Conditions, v1alpha1.ConditionTargetsResolved)
	return nil
}
