package run

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/wish"
)

const (
	// showAgain is how soon targets are asked again for what they do not show yet.
	showAgain = time.Second
	// showWithin bounds how long a run that was deleted waits for its targets.
	showWithin = 30 * time.Second
	// recordWithin bounds how long a binding's run, and all that is queued behind it, waits for them.
	recordWithin = 5 * time.Minute
)

// recording keeps a binding's run from choosing its targets until they show what the run before did to them: comparing
// earlier would deploy again.
func (r *Reconciler) recording(ctx context.Context, f facts) (obstacle, error) {
	if f.Binding == nil {
		return obstacle{}, nil
	}
	runs, err := r.begunBefore(ctx, r.Reader, f.Run)
	if err != nil || len(runs) == 0 {
		return obstacle{}, err
	}
	newest := slices.MaxFunc(runs, func(a, b v1alpha1.DeploymentRun) int {
		if d := a.Status.FinishTime.Compare(b.Status.FinishTime.Time); d != 0 {
			return d
		}
		return wish.Compare(&a, &b)
	})
	target, err := r.unshown(ctx, &newest, runs, f.all())
	if err != nil || target == "" {
		return obstacle{}, err
	}
	if r.Now().Sub(r.recordingSince(&newest)) > recordWithin {
		ctrl.LoggerFrom(ctx).Info("begins though a target does not show the run before", "before", newest.Name, "target", target)
		return obstacle{}, nil
	}
	o := waitFor(v1alpha1.ReasonRecording, "run %s has ended; target %s does not show its result yet", newest.Name, target)
	o.Again = showAgain
	return o, nil
}

// recordingSince is since when targets could show a run: nobody wrote that down while no operator was there.
func (r *Reconciler) recordingSince(run *v1alpha1.DeploymentRun) time.Time {
	r.firstWait.Do(func() { r.waitsFrom = r.Now() })
	if end := run.Status.FinishTime.Time; end.After(r.waitsFrom) {
		return end
	}
	return r.waitsFrom
}

// begunBefore are the other runs of the project in the environment that have begun and ended.
func (r *Reconciler) begunBefore(ctx context.Context, from client.Reader, run *v1alpha1.DeploymentRun) ([]v1alpha1.DeploymentRun, error) {
	var runs v1alpha1.DeploymentRunList
	if err := from.List(ctx, &runs, client.InNamespace(run.Namespace)); err != nil {
		return nil, fmt.Errorf("listing runs: %w", err)
	}
	return slices.DeleteFunc(runs.Items, func(other v1alpha1.DeploymentRun) bool {
		return keyOf(&other) != keyOf(run) || other.UID == run.UID || other.Status.StartTime == nil || other.Status.FinishTime == nil
	}), nil
}

// unshown names a target on which something began in the run, as the slices say past the cache, and which shows neither
// that run nor a newer one; empty where there is none.
func (r *Reconciler) unshown(ctx context.Context, run *v1alpha1.DeploymentRun, others []v1alpha1.DeploymentRun, targets []v1alpha1.DeploymentTarget) (string, error) {
	var rows v1alpha1.DeploymentRunSliceList
	if err := r.Reader.List(ctx, &rows, client.InNamespace(run.Namespace), client.MatchingLabels{v1alpha1.LabelRunUID: string(run.UID)}); err != nil {
		return "", fmt.Errorf("listing slices of run %s: %w", run.Name, err)
	}
	var older []v1alpha1.DeploymentRun
	for _, other := range others {
		if other.UID != run.UID && !run.Status.StartTime.Before(other.Status.FinishTime) {
			older = append(older, other)
		}
	}
	began := wish.Began(rows.Items, targets)
	for i := range targets {
		t := &targets[i]
		if began[t.UID] && !wish.Shows(t, run, older) {
			return t.Name, nil
		}
	}
	return "", nil
}

// leaving is when to look again at a run that was deleted, and stays until its targets show what it did to them. It keeps
// no namespace from going.
func (r *Reconciler) leaving(ctx context.Context, run *v1alpha1.DeploymentRun) (time.Duration, error) {
	s := run.Status
	held := !run.DeletionTimestamp.IsZero() && controllerutil.ContainsFinalizer(run, v1alpha1.FinalizerRun)
	if !held || s.StartTime == nil || s.FinishTime == nil || r.Now().Sub(s.FinishTime.Time) > showWithin {
		return 0, nil
	}
	if goes, err := r.namespaceGoes(ctx, run.Namespace); goes || err != nil {
		return 0, err
	}
	others, err := r.begunBefore(ctx, r.Client, run)
	if err != nil {
		return 0, err
	}
	var targets v1alpha1.DeploymentTargetList
	if err := r.Client.List(ctx, &targets, client.InNamespace(run.Namespace)); err != nil {
		return 0, fmt.Errorf("listing targets: %w", err)
	}
	target, err := r.unshown(ctx, run, others, targets.Items)
	if err != nil || target == "" {
		return 0, err
	}
	return showAgain, nil
}

// namespaceGoes tells whether a namespace is being deleted. The right to look at it may have gone first.
func (r *Reconciler) namespaceGoes(ctx context.Context, name string) (bool, error) {
	var namespace corev1.Namespace
	err := r.Reader.Get(ctx, client.ObjectKey{Name: name}, &namespace)
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading namespace %s: %w", name, err)
	}
	return !namespace.DeletionTimestamp.IsZero(), nil
}
