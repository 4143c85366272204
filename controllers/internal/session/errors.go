package session

import (
	"errors"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// UnfitError says that the Tentacle cannot do what our steps need.
type UnfitError struct {
	// Reason is one of v1alpha1's, Message names the remedy.
	Reason, Message string
}

// Error is the message.
func (e *UnfitError) Error() string { return e.Message }

// RefusedError says that the machine's owner does not allow something.
type RefusedError struct {
	// Reason is one of v1alpha1's, Message what the machine said.
	Reason, Message string
}

// Error is the message.
func (e *RefusedError) Error() string { return e.Message }

// StartError marks what went wrong while the script itself was sent.
type StartError struct{ Err error }

// Error is that of the cause.
func (e *StartError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *StartError) Unwrap() error { return e.Err }

// Uncertain tells whether a script may have begun although sending it failed.
func Uncertain(err error) bool {
	var start *StartError
	var connect *halibut.ConnectError
	var server *halibut.ServerError
	return errors.As(err, &start) && !errors.As(err, &connect) && !errors.As(err, &server)
}

// UploadError marks what went wrong while a file was sent.
type UploadError struct{ Err error }

// Error is that of the cause.
func (e *UploadError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *UploadError) Unwrap() error { return e.Err }

// RefusedByPolicy is the refusal in a text that says that the policy of the machine's owner refused something; nil if
// it says no such thing.
func RefusedByPolicy(said string) *RefusedError {
	rule, why, found := tentacle.ParseRefusedByPolicy(said)
	if !found {
		return nil
	}
	return &RefusedError{v1alpha1.ReasonRefusedByPolicy, clean("rule "+rule+" of the machine's policy: "+why, maxSaid)}
}

// Refusal is why a machine did not begin a script, in the last words of its output.
func Refusal(said string) *RefusedError {
	if e := RefusedByPolicy(said); e != nil {
		return e
	}
	if said == "" {
		said = "the machine's owner does not allow it"
	}
	return &RefusedError{v1alpha1.ReasonRefused, clean(said, maxSaid)}
}

// maxSaid bounds a message of a machine, in bytes.
const maxSaid = 1024

// fits tells whether a Tentacle of these facts has the services that our plans need.
func fits(f tentacle.Facts) error {
	if f.Has(tentacle.ScriptServiceV2Name) || f.Has(tentacle.ScriptServiceV1Name) {
		return nil
	}
	return &UnfitError{v1alpha1.ReasonTentacleUnsupported, "the Tentacle offers neither " + tentacle.ScriptServiceV2Name + " nor " +
		tentacle.ScriptServiceV1Name + ", as Octopus's agents in clusters do not; use a Tentacle on a machine"}
}
