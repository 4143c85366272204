package binding

import (
	"context"
	"fmt"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// carryOut creates the run of the decision, if any. The status names it already, so an operator that was restarted in between
// creates it with the same name.
func (r *Reconciler) carryOut(ctx context.Context, b *v1alpha1.ReleaseBinding, next *newRun) error {
	if next == nil {
		return nil
	}
	run := runFor(b, next)
	if err := r.Client.Create(ctx, run); err != nil {
		// If a run of this name exists, the next pass finds it: in the list if it is the binding's, otherwise by its name.
		return fmt.Errorf("creating run %s: %w", run.Name, err)
	}
	ctrl.LoggerFrom(ctx).Info("created run", "run", run.Name, "purpose", run.Spec.Purpose, "release", run.Spec.Release)
	return nil
}

// runFor returns the run to create. It has the finalizer from the start, so that no run is deleted before its result is in the
// binding's record.
func runFor(b *v1alpha1.ReleaseBinding, next *newRun) *v1alpha1.DeploymentRun {
	run := &v1alpha1.DeploymentRun{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: b.Namespace, Name: next.Name,
			Labels: map[string]string{v1alpha1.LabelBindingUID: string(b.UID)},
			Annotations: map[string]string{
				v1alpha1.AnnotationDesiredHash:  next.Hash,
				v1alpha1.AnnotationHandledRetry: next.Retry,
				v1alpha1.AnnotationSequence:     strconv.FormatInt(next.Sequence, 10),
			},
			Finalizers:      []string{v1alpha1.FinalizerRun},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(b, v1alpha1.GroupVersion.WithKind("ReleaseBinding"))},
		},
		Spec: v1alpha1.DeploymentRunSpec{
			Project: b.Spec.Project, Release: b.Spec.Release, Environment: b.Spec.Environment,
			Purpose: next.Purpose, Reason: next.Reason, State: v1alpha1.RunStateRun,
		},
	}
	run.SetSpecLabels()
	return run
}
