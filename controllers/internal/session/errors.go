package session

import (
	"errors"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// UnfitError says that the Tentacle lacks what Mantle's steps need.
type UnfitError struct {
	// Reason is a reason of v1alpha1; Message names the remedy.
	Reason, Message string
}

// Error returns the message.
func (e *UnfitError) Error() string { return e.Message }

// RefusedError says that the machine refused something that its owner does not allow.
type RefusedError struct {
	// Reason is a reason of v1alpha1; Message is the machine's.
	Reason, Message string
}

// Error returns the message.
func (e *RefusedError) Error() string { return e.Message }

// StartError wraps an error of sending the script itself.
type StartError struct{ Err error }

// Error returns the message of the cause.
func (e *StartError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *StartError) Unwrap() error { return e.Err }

// Uncertain reports whether a script may have begun although sending it failed.
func Uncertain(err error) bool {
	var start *StartError
	var connect *halibut.ConnectError
	var server *halibut.ServerError
	return errors.As(err, &start) && !errors.As(err, &connect) && !errors.As(err, &server)
}

// UploadError wraps an error of sending a file.
type UploadError struct{ Err error }

// Error returns the message of the cause.
func (e *UploadError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *UploadError) Unwrap() error { return e.Err }

// RefusedByPolicy parses a text in which a machine says that its policy refused something; nil if it says no such thing.
func RefusedByPolicy(said string) *RefusedError {
	rule, why, found := tentacle.ParseRefusedByPolicy(said)
	if !found {
		return nil
	}
	return &RefusedError{v1alpha1.ReasonRefusedByPolicy, clean("rule "+rule+" of the machine's policy: "+why, maxSaid)}
}

// Refusal returns why a machine did not begin a script, from the end of its output.
func Refusal(said string) *RefusedError {
	if e := RefusedByPolicy(said); e != nil {
		return e
	}
	if said == "" {
		said = "the machine's owner does not allow it"
	}
	return &RefusedError{v1alpha1.ReasonRefused, clean(said, maxSaid)}
}

// maxSaid bounds a message from a machine, in bytes.
const maxSaid = 1024

// fits returns an *UnfitError if a Tentacle with these facts lacks the services that plans need.
func fits(f tentacle.Facts) error {
	if f.Has(tentacle.ScriptServiceV2Name) || f.Has(tentacle.ScriptServiceV1Name) {
		return nil
	}
	return &UnfitError{v1alpha1.ReasonTentacleUnsupported, "the Tentacle offers neither " + tentacle.ScriptServiceV2Name + " nor " +
		tentacle.ScriptServiceV1Name + "; Octopus's Kubernetes agents have neither: use a Tentacle on a machine"}
}
