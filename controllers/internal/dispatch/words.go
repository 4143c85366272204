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

// words cleans and cuts a text for a status.
func words(said string) string { return text.Cut(text.Clean(said), maxMessage) }

// cause is why an action ended as it did or has to wait.
type cause struct{ Reason, Message string }

// unreachable returns why a machine did not answer, without details that differ between attempts.
func unreachable(err error) cause {
	var connect *halibut.ConnectError
	switch {
	case errors.Is(err, session.ErrBusy):
		return cause{string(halibut.ConnectTimedOut), "waits to connect to the machine: the limit of concurrent connection attempts is reached"}
	case errors.As(err, &connect):
		return cause{string(connect.Stage), fmt.Sprintf("cannot be reached at %s: %s", connect.Address, rootCause(connect.Err))}
	default:
		return cause{v1alpha1.ReasonTransferFailed, "the machine did not answer: " + rootCause(err)}
	}
}

// rootCause returns the part of an error that does not contain the operator's own port.
func rootCause(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		return op.Err.Error()
	}
	if err == nil {
		return "unknown error"
	}
	return err.Error()
}

// notReady converts an error of Locate or Prepare.
func notReady(err error) *NotReady {
	var not *NotReady
	if errors.As(err, &not) {
		return not
	}
	return &NotReady{Reason: v1alpha1.ReasonNotPrepared, Message: err.Error()}
}

// every returns the note of a message that says how often something is retried.
func every(what string, pause time.Duration) string {
	return fmt.Sprintf("; %s again every %s", what, pause)
}

// untrusted reports whether the operator and the machine do not trust each other. Trying again does not help.
func untrusted(stage halibut.Stage) bool {
	return stage == halibut.ThumbprintMissing || stage == halibut.ThumbprintMismatch || stage == halibut.OperatorNotTrusted
}
