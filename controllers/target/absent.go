package target

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/optional"
	"github.com/mantledeploy/mantle/controllers/internal/status"
)

// absentEnvironment tells of the first of spec.environments that is not there; empty where all are.
func (r *Reconciler) absentEnvironment(ctx context.Context, t *v1alpha1.DeploymentTarget) (string, error) {
	for i, name := range t.Spec.Environments {
		e, err := optional.Get(ctx, r.Client, t.Namespace, string(name), &v1alpha1.Environment{})
		if err != nil {
			return "", fmt.Errorf("reading environment: %w", err)
		}
		if e == nil {
			return fmt.Sprintf("spec.environments[%d]: there is no Environment %s in this namespace, so nothing is deployed there; create it, or take it out of the list", i, name), nil
		}
	}
	return "", nil
}

// forgetAbsent takes back that an earlier pass waited for an environment.
func forgetAbsent(c status.Conditions) {
	for _, kind := range []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} {
		if is := meta.FindStatusCondition(*c.List, kind); is != nil && is.Reason == v1alpha1.ReasonEnvironmentNotFound {
			c.Remove(kind)
		}
	}
}

// describeEnvironments tells of an environment that is not there. It is waited for, and a person is needed after a minute.
// The machine stays as healthy as it is, as it belongs to other environments, too, and what else is wrong goes first. It
// returns when to look again; what else is waited for brings the next pass by its end.
func describeEnvironments(f facts, c status.Conditions, before []metav1.Condition) time.Duration {
	const reason = v1alpha1.ReasonEnvironmentNotFound
	if f.Absent == "" {
		c.Set(v1alpha1.ConditionEnvironmentsFound, metav1.ConditionTrue, v1alpha1.ReasonEnvironmentsFound, "every environment in spec.environments is there")
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
		c.Now = was.LastTransitionTime.Time // forgetAbsent took it away
	}
	c.Set(kind, metav1.ConditionTrue, reason, f.Absent)
	return again
}
