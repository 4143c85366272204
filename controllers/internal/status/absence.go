package status

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// AbsentFor is how long a controller waits for a missing object that a spec names.
const AbsentFor = time.Minute

// Absence is the common rule for a missing object that a spec names. The objects of one commit can arrive in any order,
// so the controller waits for the object; after one minute it is Stalled, because a user must act. reason is the
// condition reason for the missing object, for example ReleaseNotFound. again is when to reconcile again without an
// event; 0 means never.
//
// The start of the wait is read from the conditions of the last reconcile. This is the only case in which a controller
// reads its own conditions: if the status is lost, the wait is one minute longer. Conditions.Reconciling, and
// Conditions.SetReason for a condition of another type, preserve the time that is needed.
func Absence(conditions []metav1.Condition, reason string, generation int64, now time.Time) (stalled bool, again time.Duration) {
	since := now
	for _, c := range conditions {
		if c.Reason != reason || c.ObservedGeneration != generation {
			continue
		}
		switch c.Type {
		case v1alpha1.ConditionStalled:
			return true, 0
		case v1alpha1.ConditionReady: // it may have been False before for another reason
		default:
			if c.LastTransitionTime.Time.Before(since) {
				since = c.LastTransitionTime.Time
			}
		}
	}
	left := AbsentFor - now.Sub(since)
	return left <= 0, max(left, 0)
}
