package binding

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"strconv"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// carryOut makes the run that was decided. One that is there already was made by an earlier pass from the same
// facts; the list past the cache shows it next time.
func (r *Reconciler) carryOut(ctx context.Context, f facts, d decision) error {
	if d.Make == nil {
		return nil
	}
	run := runFor(f, d)
	err := r.Client.Create(ctx, run)
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("making run %s: %w", run.Name, err)
	}
	ctrl.LoggerFrom(ctx).Info("made a run", "run", run.Name, "purpose", run.Spec.Purpose, "release", run.Spec.Release)
	return nil
}

// runFor builds the run; it is pure.
func runFor(f facts, d decision) *v1alpha1.DeploymentRun {
	b := f.Binding
	return &v1alpha1.DeploymentRun{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: b.Namespace, Name: d.Make.Name,
			Labels: map[string]string{v1alpha1.LabelBindingUID: string(b.UID)},
			Annotations: map[string]string{
				v1alpha1.AnnotationWish:         d.Wish,
				v1alpha1.AnnotationHandledRetry: d.Make.Retry,
				v1alpha1.AnnotationSequence:     strconv.Itoa(d.Make.Sequence),
			},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(b, v1alpha1.GroupVersion.WithKind("ReleaseBinding"))},
		},
		Spec: v1alpha1.DeploymentRunSpec{
			Project: b.Spec.Project, Release: b.Spec.Release, Environment: b.Spec.Environment,
			Purpose: d.Make.Purpose, Reason: d.Make.Reason, State: v1alpha1.RunStateRun,
		},
	}
}
