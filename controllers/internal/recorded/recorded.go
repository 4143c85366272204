package recorded

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/desired"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
	"github.com/mantledeploy/mantle/controllers/internal/optional"
	"github.com/mantledeploy/mantle/controllers/internal/plan"
)

const (
	// recordPause is the pause before targets that do not show a result yet are checked again.
	recordPause = time.Second
	// keepDeleted bounds how long a deleted run waits for its targets.
	keepDeleted = 30 * time.Second
	// recordWithin bounds how long a binding's run, and the runs queued behind it, wait for them.
	recordWithin = 5 * time.Minute
)

// Records checks whether statuses show the results of runs. It is safe for concurrent use.
type Records struct {
	Client, Reader client.Reader // Reader reads from the API server
	Now            func() time.Time

	once    sync.Once
	started time.Time
}

// Before delays the choice of the targets of a binding's run until status.installed of every target reflects the newest
// of the other ended runs: otherwise targets would be deployed to twice. It returns nil if there is nothing to wait
// for.
func (r *Records) Before(ctx context.Context, others []v1alpha1.DeploymentRun, targets []v1alpha1.DeploymentTarget) (*plan.Wait, error) {
	runs := ended(others)
	if len(runs) == 0 {
		return nil, nil
	}
	newest := slices.MaxFunc(runs, func(a, b v1alpha1.DeploymentRun) int {
		if d := a.Status.FinishTime.Compare(b.Status.FinishTime.Time); d != 0 {
			return d
		}
		return desired.Compare(&a, &b)
	})
	target, err := r.unrecorded(ctx, &newest, runs, targets)
	if err != nil || target == "" {
		return nil, err
	}
	// The wait starts when the run finished or when this operator started, whichever is later.
	if since := latest(newest.Status.FinishTime.Time, r.startedAt()); r.Now().Sub(since) > recordWithin {
		ctrl.LoggerFrom(ctx).Info("starting the run although a target does not show the previous run", "before", newest.Name, "target", target)
		return nil, nil
	}
	return &plan.Wait{Phase: v1alpha1.RunWaiting, Reason: v1alpha1.ReasonRecording, Again: recordPause,
		Message: fmt.Sprintf("run %s has ended; target %s does not show its result yet", newest.Name, target)}, nil
}

// startedAt returns the time of its first call in this process.
func (r *Records) startedAt() time.Time {
	r.once.Do(func() { r.started = r.Now() })
	return r.started
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// ByProject is the field of runs by which Others selects. The API server can select by it too; a cache needs an index by it
// with ProjectOf.
const ByProject = "spec.project"

// ProjectOf returns the project of a run.
func ProjectOf(o client.Object) []string {
	if run, ok := o.(*v1alpha1.DeploymentRun); ok {
		return []string{string(run.Spec.Project)}
	}
	return nil
}

// Others returns the other runs of the project in the environment. They may be shared with the cache and must not be modified.
func Others(ctx context.Context, from client.Reader, run *v1alpha1.DeploymentRun) ([]v1alpha1.DeploymentRun, error) {
	var runs v1alpha1.DeploymentRunList
	if err := from.List(ctx, &runs, client.InNamespace(run.Namespace), client.MatchingFields{ByProject: string(run.Spec.Project)}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing runs: %w", err)
	}
	return slices.DeleteFunc(runs.Items, func(other v1alpha1.DeploymentRun) bool {
		return other.Spec.Project != run.Spec.Project || other.Spec.Environment != run.Spec.Environment || other.UID == run.UID
	}), nil
}

// ended returns the runs that have started and ended.
func ended(runs []v1alpha1.DeploymentRun) []v1alpha1.DeploymentRun {
	return slices.DeleteFunc(runs, func(run v1alpha1.DeploymentRun) bool {
		return run.Status.StartTime == nil || run.Status.FinishTime == nil
	})
}

// unrecorded returns the name of a target that must show the run, according to its slices on the API server, and shows
// neither it nor a newer run; empty if there is none.
func (r *Records) unrecorded(ctx context.Context, run *v1alpha1.DeploymentRun, others []v1alpha1.DeploymentRun, targets []v1alpha1.DeploymentTarget) (string, error) {
	rows, err := ledger.Slices(ctx, r.Reader, run)
	if err != nil {
		return "", err
	}
	var older []v1alpha1.DeploymentRun
	for _, other := range others {
		if other.UID != run.UID && !run.Status.StartTime.Before(other.Status.FinishTime) {
			older = append(older, other)
		}
	}
	expected, _ := desired.Expected(run, rows, targets)
	for i := range targets {
		t := &targets[i]
		if expected.Has(t.UID) && !desired.Shows(t, run, older) {
			return t.Name, nil
		}
	}
	return "", nil
}

// bindingRecorded reports whether the binding that created the run has recorded how it ended. It is true if the binding
// does not exist.
func (r *Records) bindingRecorded(ctx context.Context, run *v1alpha1.DeploymentRun) (bool, error) {
	owner := metav1.GetControllerOf(run)
	if owner == nil {
		return true, nil
	}
	binding, err := optional.Get(ctx, r.Client, run.Namespace, owner.Name, &v1alpha1.ReleaseBinding{})
	if err != nil {
		return false, fmt.Errorf("reading binding: %w", err)
	}
	return binding == nil || binding.UID != owner.UID || !binding.DeletionTimestamp.IsZero() || desired.Recorded(binding, run), nil
}

// After returns when to check a deleted run again; 0 means that it can go. Its finalizer stays, for at most 30 s, until
// status.record of its binding and status.installed of its targets reflect it, because its rows are deleted with it. It
// does not delay the deletion of a namespace.
func (r *Records) After(ctx context.Context, run *v1alpha1.DeploymentRun) (time.Duration, error) {
	s := run.Status
	held := !run.DeletionTimestamp.IsZero() && controllerutil.ContainsFinalizer(run, v1alpha1.FinalizerRun)
	if !held || s.FinishTime == nil || r.Now().Sub(s.FinishTime.Time) > keepDeleted {
		return 0, nil
	}
	if goes, err := r.namespaceGoes(ctx, run.Namespace); goes || err != nil {
		return 0, err
	}
	if recorded, err := r.bindingRecorded(ctx, run); err != nil || !recorded {
		return recordPause, err
	}
	if recorded, err := r.targetsRecorded(ctx, run); err != nil || !recorded {
		return recordPause, err
	}
	return 0, nil
}

// targetsRecorded reports whether status.installed of every target reflects the run.
func (r *Records) targetsRecorded(ctx context.Context, run *v1alpha1.DeploymentRun) (bool, error) {
	if run.Status.StartTime == nil {
		return true, nil
	}
	others, err := Others(ctx, r.Client, run)
	if err != nil {
		return false, err
	}
	var targets v1alpha1.DeploymentTargetList
	if err := r.Client.List(ctx, &targets, client.InNamespace(run.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return false, fmt.Errorf("listing targets: %w", err)
	}
	target, err := r.unrecorded(ctx, run, ended(others), targets.Items)
	return target == "", err
}

// namespaceGoes reports whether a namespace is being deleted. The right to read it may have been deleted first.
func (r *Records) namespaceGoes(ctx context.Context, name string) (bool, error) {
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
