package plan

import (
	"fmt"
	"time"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// Unsent is how an action ends that was written as Running but could not be sent within the policy's retry duration;
// reason and message are those of the last try. Where the machine could not be reached, the target is skipped for the
// whole run when nothing was sent to it before and settings.unavailableTargets says Skip. Otherwise, and for every
// other reason (trust, a missing value, a package that does not arrive), the action failed.
func Unsent(f Facts, k Key, reason, message string) End {
	begun := false
	for other, row := range f.Rows {
		begun = begun || other.Target == k.Target && other != k && sent(row)
	}
	end := End{Phase: v1alpha1.StepFailed, Reason: reason, Message: message}
	switch {
	case untrusted(reason):
		end.Message = "the target is not trusted" + because(explain(reason, message))
	case unreachable(reason):
		text := "the target cannot be reached" + because(explain(reason, message))
		if tried := retryDuration(f, k.Target); tried > 0 {
			text = fmt.Sprintf("the target could not be reached within %s%s", tried, because(explain(reason, message)))
		}
		end = missed(f.Settings, begun, v1alpha1.ReasonUnavailable, text)
	}
	end.Key = k
	return end
}

func retryDuration(f Facts, name string) time.Duration {
	for _, t := range f.Targets {
		if t.Name == name {
			return t.RetryDuration
		}
	}
	return 0
}

// missed is how the turn of a target ends that is away or cordoned.
func missed(settings v1alpha1.ProjectSettings, begun bool, reason, message string) End {
	switch {
	case begun:
		return End{Phase: v1alpha1.StepFailed, Reason: reason, Message: message + " (the run had begun on it)"}
	case settings.UnavailableTargets == v1alpha1.UnavailableFail:
		return End{Phase: v1alpha1.StepFailed, Reason: reason, Message: message}
	default:
		return End{Phase: v1alpha1.StepSkipped, Reason: reason, Message: message}
	}
}

// unreachable tells whether a reason means that the machine is away, so that nothing of the request arrived.
func unreachable(reason string) bool {
	switch reason {
	case v1alpha1.ReasonUnavailable, v1alpha1.ReasonNameNotResolved, v1alpha1.ReasonNoRoute, v1alpha1.ReasonConnectionRefused,
		v1alpha1.ReasonConnectTimedOut, v1alpha1.ReasonTLSTimedOut, v1alpha1.ReasonTLSFailed, v1alpha1.ReasonNoAnswer,
		v1alpha1.ReasonProtocolError:
		return true
	default:
		return false
	}
}

// untrusted tells whether a reason means that trust does not hold between operator and machine.
func untrusted(reason string) bool {
	switch reason {
	case v1alpha1.ReasonUntrusted, v1alpha1.ReasonThumbprintMissing, v1alpha1.ReasonThumbprintMismatch,
		v1alpha1.ReasonOperatorNotTrusted, v1alpha1.ReasonIdentityLost:
		return true
	default:
		return false
	}
}
