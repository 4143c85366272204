package halibut

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Stage says where reaching a machine failed. The values are reasons that users see.
type Stage string

// The stages, in the order in which a connection passes them.
const (
	// AddressRefused means that the caller's own rules do not allow the address; see ErrAddressRefused.
	AddressRefused Stage = "AddressRefused"
	// NameNotResolved means that the host's name has no address.
	NameNotResolved Stage = "NameNotResolved"
	// NoRoute means that the network or a firewall says that the host cannot be reached.
	NoRoute Stage = "NoRoute"
	// ConnectionRefused means that nothing listens on the port.
	ConnectionRefused Stage = "ConnectionRefused"
	// ConnectTimedOut means that the host did not answer at all.
	ConnectTimedOut Stage = "ConnectTimedOut"
	// TLSTimedOut means that the connection was accepted, and then silent during the handshake.
	TLSTimedOut Stage = "TLSTimedOut"
	// TLSFailed means that the handshake failed: the peer speaks something else, or refused.
	TLSFailed Stage = "TLSFailed"
	// ThumbprintMissing means that the endpoint names no thumbprint; Presented has the certificate.
	ThumbprintMissing Stage = "ThumbprintMissing"
	// ThumbprintMismatch means that the peer showed another certificate than the pinned one.
	ThumbprintMismatch Stage = "ThumbprintMismatch"
	// OperatorNotTrusted means that the peer closed after TLS without a word, several times in a row: it does
	// not know our thumbprint.
	OperatorNotTrusted Stage = "OperatorNotTrusted"
	// NoAnswer means that the peer was silent after TLS.
	NoAnswer Stage = "NoAnswer"
	// ProtocolError means that the peer answered with something that is not Halibut.
	ProtocolError Stage = "ProtocolError"
)

// ErrAddressRefused is what ClientConfig.DialContext returns for an address that the caller's own rules do not allow. It
// says nothing of the address, so that all refusals look the same.
var ErrAddressRefused = errors.New("the operator does not connect to this address")

// ConnectError is a failure before the first byte of the request was sent: the call was not executed and may
// be made again. Where the caller's context ended, Err matches its error.
type ConnectError struct {
	// Stage is where it failed.
	Stage Stage
	// Address is the endpoint's.
	Address string
	// Presented is the peer's certificate, if the handshake came that far.
	Presented *x509.Certificate
	// Err is the cause.
	Err error
	// Waited is how long ClientConfig.Admit was waited for; the machine is not to blame for it.
	Waited time.Duration
}

// Error names the stage, the address and the cause.
func (e *ConnectError) Error() string {
	return fmt.Sprintf("connecting to %s: %s: %v", e.Address, e.Stage, e.Err)
}

// Unwrap returns the cause.
func (e *ConnectError) Unwrap() error { return e.Err }

// TransferError is a failure after the request had begun: whether the call was executed is not known.
type TransferError struct {
	// Err is the cause.
	Err error
}

// Error tells that the request had begun, and the cause.
func (e *TransferError) Error() string { return fmt.Sprintf("after the request began: %v", e.Err) }

// Unwrap returns the cause.
func (e *TransferError) Unwrap() error { return e.Err }

// ErrorKind classifies what a peer answered instead of a result (halibut.md section 8.2).
type ErrorKind int

// The kinds of errors.
const (
	// Unknown is every error that is none of the others; it may pass.
	Unknown ErrorKind = iota
	// ServiceNotFound means that the peer has no such service.
	ServiceNotFound
	// MethodNotFound means that the service has no such method.
	MethodNotFound
	// AmbiguousMethod means that the parameters did not fit the method.
	AmbiguousMethod
	// ServiceInvocation means that the method itself failed, for good.
	ServiceInvocation
)

// String returns the kind's name.
func (k ErrorKind) String() string {
	names := [...]string{"Unknown", "ServiceNotFound", "MethodNotFound", "AmbiguousMethod", "ServiceInvocation"}
	if k < 0 || int(k) >= len(names) {
		return fmt.Sprintf("ErrorKind(%d)", int(k))
	}
	return names[k]
}

// The texts that the reference writes and reads (halibut.md section 8).
const (
	exceptions             = "Halibut.Exceptions."
	serviceNotFoundType    = exceptions + "ServiceNotFoundHalibutClientException"
	methodNotFoundType     = exceptions + "MethodNotFoundHalibutClientException"
	ambiguousMethodType    = exceptions + "AmbiguousMethodMatchHalibutClientException"
	serviceInvocationType  = exceptions + "ServiceInvocationHalibutClientException"
	oldAmbiguousDetails    = "System.Reflection.AmbiguousMatchException: "
	targetInvocationPrefix = "System.Reflection.TargetInvocationException: Exception has been thrown by the target of an invocation."
)

// ServerError is an error that the peer answered. The connection remains usable.
type ServerError struct {
	// Message is the exception's message.
	Message string
	// Details is the exception with its stack, in the words of the peer.
	Details string
	// HalibutErrorType is the CLR name of the exception where Halibut itself threw it, else empty.
	HalibutErrorType string
	// Kind is the classification that the reference client makes.
	Kind ErrorKind
}

// Error returns the kind and the message.
func (e *ServerError) Error() string {
	return fmt.Sprintf("the machine answered with an error (%s): %s", e.Kind, e.Message)
}

// Retryable tells whether the same call may succeed later: true only for errors of unknown kind, as the
// reference client holds it.
func (e *ServerError) Retryable() bool { return e.Kind == Unknown }

// classify follows halibut.md section 8.2.
func classify(message, details, errorType string) ErrorKind {
	switch errorType {
	case serviceNotFoundType:
		return ServiceNotFound
	case methodNotFoundType:
		return MethodNotFound
	case ambiguousMethodType:
		return AmbiguousMethod
	case serviceInvocationType:
		return ServiceInvocation
	}
	switch {
	case strings.HasPrefix(message, "Service not found: "):
		return ServiceNotFound
	case strings.HasPrefix(message, "Service ") && strings.HasSuffix(message, " not found"):
		return MethodNotFound
	case strings.HasPrefix(details, oldAmbiguousDetails):
		return AmbiguousMethod
	case strings.HasPrefix(details, targetInvocationPrefix):
		return ServiceInvocation
	}
	return Unknown
}

// FinalError wraps an error of a method that will not pass: the peer is told so in the words that keep
// Octopus's client from trying again (halibut.md section 8.2). Any other error is passed on as one that may.
type FinalError struct {
	// Err is the cause; its text is the message that the peer sees.
	Err error
}

// Error returns the text of the cause.
func (e FinalError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e FinalError) Unwrap() error { return e.Err }

// isFinal accepts FinalError as a value and as a pointer.
func isFinal(err error) bool {
	if _, ok := errors.AsType[FinalError](err); ok {
		return true
	}
	_, ok := errors.AsType[*FinalError](err)
	return ok
}
