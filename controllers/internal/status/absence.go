package status

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// AbsentFor is how long an object that a spec names and that is not there is waited for.
const AbsentFor = time.Minute

// Absence is the one rule for an object that a spec names and that is not there: files of one commit arrive in any order,
// so it is waited for, and after a minute a person is needed (Stalled). Reason is that of the missing object, for example
// ReleaseNotFound. The result again is when to look again without an event; 0 means never.
//
// How long it was waited for is read from the conditions of the last pass. It is the only thing for which a controller may
// read its own conditions: the worst that a lost status does is another minute. Conditions.Reconciling, and
// Conditions.SetReason for a condition of another type, keep the time that is needed.
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
