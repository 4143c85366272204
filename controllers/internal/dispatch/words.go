package dispatch

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/session"
	"github.com/mantledeploy/mantle/controllers/internal/text"
)

// maxMessage bounds a message, in bytes.
const maxMessage = 1024

// words makes a text fit for a status.
func words(said string) string { return text.Cut(text.Clean(said), maxMessage) }

// cause is why something ended as it did or has to wait.
type cause struct{ Reason, Message string }

// reach is why a machine did not answer, without what differs from try to try.
func reach(err error) cause {
	var connect *halibut.ConnectError
	switch {
	case errors.Is(err, session.ErrBusy):
		return cause{string(halibut.ConnectTimedOut), "waits for its turn to connect to the machine"}
	case errors.As(err, &connect):
		return cause{string(connect.Stage), fmt.Sprintf("cannot be reached at %s: %s", connect.Address, why(connect.Err))}
	default:
		return cause{v1alpha1.ReasonTransferFailed, "the machine did not answer: " + why(err)}
	}
}

// why is the innermost part of an error that does not name a port of ours.
func why(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		return op.Err.Error()
	}
	if err == nil {
		return "no reason is known"
	}
	return err.Error()
}

// notReady reads an error of Locate or Prepare.
func notReady(err error) *NotReady {
	var not *NotReady
	if errors.As(err, &not) {
		return not
	}
	return &NotReady{Reason: v1alpha1.ReasonNotPrepared, Message: err.Error()}
}

// every says how often something is tried again.
func every(what string, pause time.Duration) string {
	return fmt.Sprintf("; %s again every %s", what, pause)
}

// untrusted tells whether trust does not hold between operator and machine, which trying again does not help.
func untrusted(stage halibut.Stage) bool {
	return stage == halibut.ThumbprintMissing || stage == halibut.ThumbprintMismatch || stage == halibut.OperatorNotTrusted
}
