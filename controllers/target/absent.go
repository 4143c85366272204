package target

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/optional"
	"github.com/mantledeploy/mantle/controllers/internal/status"
)

// absentEnvironment returns a message about the first of spec.environments that does not exist; empty if all exist.
func (r *Reconciler) absentEnvironment(ctx context.Context, t *v1alpha1.DeploymentTarget) (string, error) {
	for i, name := range t.Spec.Environments {
		e, err := optional.Get(ctx, r.Client, t.Namespace, string(name), &v1alpha1.Environment{}, client.UnsafeDisableDeepCopy)
		if err != nil {
			return "", fmt.Errorf("reading environment: %w", err)
		}
		if e == nil {
			return fmt.Sprintf("spec.environments[%d]: there is no Environment %s in this namespace, so nothing is deployed to it; create it, or remove it from the list", i, name), nil
		}
	}
	return "", nil
}

// clearAbsent removes the conditions of an earlier pass that waited for an environment.
func clearAbsent(c status.Conditions) {
	for _, kind := range []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} {
		if is := meta.FindStatusCondition(*c.List, kind); is != nil && is.Reason == v1alpha1.ReasonEnvironmentNotFound {
			c.Remove(kind)
		}
	}
}

// describeEnvironments sets the condition EnvironmentsFound. If an environment does not exist, the target is Reconciling, and
// after a minute Stalled, unless it is so for another reason. This does not change the target's health, as the machine may
// belong to other environments as well. It returns when to reconcile again; 0 if another event triggers that.
func describeEnvironments(f facts, c status.Conditions, before []metav1.Condition) time.Duration {
	const reason = v1alpha1.ReasonEnvironmentNotFound
	if f.Absent == "" {
		c.Set(v1alpha1.ConditionEnvironmentsFound, metav1.ConditionTrue, v1alpha1.ReasonEnvironmentsFound, "every environment in spec.environments exists")
		return 0
	}
	stalled, again := status.Absence(before, reason, f.Target.Generation, f.Now)
	c.SetReason(v1alpha1.ConditionEnvironmentsFound, metav1.ConditionFalse, reason, f.Absent)
	if meta.FindStatusCondition(*c.List, v1alpha1.ConditionReconciling) != nil || meta.FindStatusCondition(*c.List, v1alpha1.ConditionStalled) != nil {
		return 0
	}
	kind := v1alpha1.ConditionReconciling
	if stalled {
		kind = v1alpha1.ConditionStalled
	}
	if was := meta.FindStatusCondition(before, kind); was != nil && was.Reason == reason && was.ObservedGeneration == c.Generation {
		c.Now = was.LastTransitionTime.Time // clearAbsent removed it
	}
	c.Set(kind, metav1.ConditionTrue, reason, f.Absent)
	return again
}
