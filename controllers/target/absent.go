package target

import (
	"context"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/status"
)

// absentPath begins what is told of an environment that is not there.
const absentPath = "spec.environments["

// absentEnvironment tells of the first of spec.environments that is not there; empty where all are.
func (r *Reconciler) absentEnvironment(ctx context.Context, t *v1alpha1.DeploymentTarget) (string, error) {
	for i, name := range t.Spec.Environments {
		err := r.Client.Get(ctx, client.ObjectKey{Namespace: t.Namespace, Name: string(name)}, &v1alpha1.Environment{})
		if apierrors.IsNotFound(err) {
			return fmt.Sprintf("%s%d]: there is no Environment %s in this namespace, so nothing is deployed there; create it, or take it out of the list", absentPath, i, name), nil
		}
		if err != nil {
			return "", fmt.Errorf("reading environment: %w", err)
		}
	}
	return "", nil
}

// forgetAbsent takes back what an earlier pass told of an environment.
func forgetAbsent(list *[]metav1.Condition) {
	for _, kind := range []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} {
		if c := meta.FindStatusCondition(*list, kind); c != nil && c.Reason == v1alpha1.ReasonEnvironmentNotFound {
			meta.RemoveStatusCondition(list, kind)
		}
	}
	if ready := meta.FindStatusCondition(*list, v1alpha1.ConditionReady); ready != nil {
		ready.Message, _, _ = strings.Cut(ready.Message, "; "+absentPath)
	}
}

// describeAbsent tells of an environment that is not there. It is waited for, and a person is needed after a minute. The
// machine stays as healthy as it is, as it belongs to other environments, too, and what else is wrong goes first.
func describeAbsent(f facts, c status.Conditions, before []metav1.Condition) {
	if f.Absent == "" || meta.FindStatusCondition(*c.List, v1alpha1.ConditionReconciling) != nil || meta.FindStatusCondition(*c.List, v1alpha1.ConditionStalled) != nil {
		return
	}
	if ready := meta.FindStatusCondition(*c.List, v1alpha1.ConditionReady); ready != nil {
		ready.Message += "; " + f.Absent
	}
	kind := v1alpha1.ConditionReconciling
	if f.absentLeft() <= 0 {
		kind = v1alpha1.ConditionStalled
	}
	condition := metav1.Condition{Type: kind, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonEnvironmentNotFound, Message: f.Absent, ObservedGeneration: c.Generation}
	if was := meta.FindStatusCondition(before, kind); was != nil && was.Reason == condition.Reason && was.ObservedGeneration == condition.ObservedGeneration {
		condition.LastTransitionTime = was.LastTransitionTime // since then it is waited for
	} else {
		condition.LastTransitionTime = metav1.NewTime(f.Now)
	}
	meta.SetStatusCondition(c.List, condition)
}

// absentLeft is how long the environment is waited for.
func (f facts) absentLeft() time.Duration { return absentFor - f.Now.Sub(f.AbsentSince) }

// absentAgain is when to look again for the environment, once what is true is described; zero where something else is
// waited for, whose end brings the next pass.
func (f facts) absentAgain() time.Duration {
	if c := meta.FindStatusCondition(f.Target.Status.Conditions, v1alpha1.ConditionReconciling); c == nil || c.Reason != v1alpha1.ReasonEnvironmentNotFound {
		return 0
	}
	return f.absentLeft()
}

// missingSince is when the object of the reason was first missed: since then the target is Reconciling for it, and later
// Stalled.
func missingSince(t *v1alpha1.DeploymentTarget, reason string, now time.Time) time.Time {
	for _, kind := range []string{v1alpha1.ConditionStalled, v1alpha1.ConditionReconciling} {
		c := meta.FindStatusCondition(t.Status.Conditions, kind)
		switch {
		case c == nil || c.Reason != reason || c.ObservedGeneration != t.Generation:
		case kind == v1alpha1.ConditionStalled:
			return time.Time{}
		default:
			return c.LastTransitionTime.Time
		}
	}
	return now
}
