package halibut

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
)

// Sessions stores the TLS sessions of a Client, so that a later connection to the same listener is cheaper. It must be
// safe for concurrent use. It must not return a session to a Client with another certificate.
type Sessions interface {
	// Load returns the last session that was stored for a listener; false if there is none.
	Load(Endpoint) (TLSSession, bool)
	// Store replaces the session of a listener.
	Store(Endpoint, TLSSession)
	// Delete deletes the session of a listener.
	Delete(Endpoint)
}

// TLSSession is a session of TLS 1.3 that can be resumed. It is secret: who has it can act as the Client.
type TLSSession struct{ ticket, state []byte }

// errNotResumed says that the listener did not resume the session that was offered.
var errNotResumed = errors.New("the listener does not know the TLS session any more")

// resumption is the tls.ClientSessionCache of one connection: crypto/tls would choose the session by the host alone.
type resumption struct {
	store   Sessions
	to      Endpoint
	version uint16
	// offered is true if the session stored is to be resumed.
	offered bool
	stored  TLSSession
}

// Get implements tls.ClientSessionCache.
func (r *resumption) Get(string) (*tls.ClientSessionState, bool) {
	if !r.offered {
		return nil, false
	}
	state, err := tls.ParseSessionState(r.stored.state)
	if err != nil {
		return nil, false
	}
	resumable, err := tls.NewResumptionState(r.stored.ticket, state)
	return resumable, err == nil
}

// Put implements tls.ClientSessionCache. Sessions of TLS 1.2 are not stored: resuming them has no forward secrecy.
func (r *resumption) Put(_ string, resumable *tls.ClientSessionState) {
	if resumable == nil {
		r.store.Delete(r.to)
		return
	}
	ticket, state, err := resumable.ResumptionState()
	if err != nil || state == nil || r.version < tls.VersionTLS13 {
		return
	}
	if encoded, err := state.Bytes(); err == nil {
		r.store.Store(r.to, TLSSession{ticket, encoded})
	}
}

// configure prepares a connection that resumes the stored session, if there is one and it should. The session's own
// secret protects the new one against a later quantum computer, so that the costly key exchange for that is left out: P-256
// is what every listener of TLS 1.3 has, and costs half of X25519. The caller must then refuse a connection that did not
// resume.
func (r *resumption) configure(config *tls.Config, resume bool) {
	if r.store == nil {
		return
	}
	config.ClientSessionCache = r
	if resume {
		r.stored, r.offered = r.store.Load(r.to)
	}
	if r.offered {
		config.CurvePreferences = []tls.CurveID{tls.CurveP256}
	}
}

// check returns errNotResumed if a session was offered in vain.
func (r *resumption) check(state tls.ConnectionState) error {
	r.version = state.Version
	if r.offered && !state.DidResume {
		return errNotResumed
	}
	return nil
}

// failed returns errNotResumed for the error of a handshake that the listener refused and that offered a session.
func (r *resumption) failed(err error) error {
	if alert, ok := errors.AsType[*net.OpError](err); ok && alert.Op == "remote error" && r.offered {
		return fmt.Errorf("%w: %w", errNotResumed, err)
	}
	return err
}

// ticketsOnlyFrom13 lets peers resume sessions of TLS 1.3 only. A session is worth no more than its certificate, which the
// ticket contains: whether the peer is trusted is asked for each connection and request as ever. The keys of the tickets
// are in memory only, so that a session ends with the process.
func ticketsOnlyFrom13(config *tls.Config) {
	without := config.Clone()
	without.SessionTicketsDisabled = true
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		for _, version := range hello.SupportedVersions {
			if version == tls.VersionTLS13 && (config.MaxVersion == 0 || config.MaxVersion >= version) {
				return nil, nil // config itself
			}
		}
		return without, nil
	}
}
