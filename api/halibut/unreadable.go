package halibut

import (
	"errors"
	"strings"
	"unicode"
)

// UnreadableError says that a peer showed a certificate that cannot be read, so that its thumbprint is not known.
type UnreadableError struct {
	// Reason is what is wrong with it, in few words of one line.
	Reason string
}

// Error tells the reason and the remedy.
func (e *UnreadableError) Error() string {
	return "the peer's certificate cannot be read (" + e.Reason + "): it needs a new one"
}

// maxReason bounds a reason, which may quote the certificate.
const maxReason = 200

// The words of crypto/tls, which has no types for these errors.
var unreadableSays = []string{
	"tls: failed to parse client certificate: ",
	"tls: failed to parse certificate from server: ",
	"tls: client certificate contains an ",
	"tls: server's certificate contains an ",
}

// unreadable makes the error of a handshake an *UnreadableError if it is about a certificate that cannot be read.
func unreadable(err error) error {
	if err == nil {
		return nil
	}
	for _, says := range unreadableSays {
		_, reason, found := strings.Cut(err.Error(), says)
		if !found {
			continue
		}
		reason = strings.Map(func(r rune) rune {
			if !unicode.IsPrint(r) {
				return -1
			}
			return r
		}, strings.TrimPrefix(reason, "x509: "))
		return &UnreadableError{Reason: strings.ToValidUTF8(reason[:min(len(reason), maxReason)], "")}
	}
	return err
}

// whyNoPeer is what Refused is told of a connection that ended with err before its peer was known.
func whyNoPeer(err error) error {
	if e, ok := errors.AsType[*UnreadableError](err); ok {
		return e
	}
	return ErrNoPeer
}
