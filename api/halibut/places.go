package halibut

import (
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// places are how many handshakes compute at once, so that strangers cannot take every CPU, nor the memory that a queue of them
// would need. They are given by rank, and among equals to the newest: the oldest of too many will not be in time anyway.
type places struct {
	mu      sync.Mutex
	free    int
	waiting []*waiter
}

type waiter struct {
	rank int
	turn chan struct{} // closed when the place is this one's
}

func newPlaces(n int) *places { return &places{free: n} }

// take waits for a place until ctx ends. The lowest rank comes first.
func (p *places) take(ctx context.Context, rank int) error {
	p.mu.Lock()
	if p.free > 0 {
		p.free--
		p.mu.Unlock()
		return nil
	}
	w := &waiter{rank: rank, turn: make(chan struct{})}
	p.waiting = append(p.waiting, w)
	p.mu.Unlock()
	select {
	case <-w.turn:
		return nil
	case <-ctx.Done():
	}
	if !p.forget(w) {
		p.give() // it was given in this moment
	}
	return context.Cause(ctx)
}

// forget takes a waiter out of the queue; false if it has its place.
func (p *places) forget(w *waiter) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.waiting, w)
	if i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	}
	return i >= 0
}

// give gives a place back.
func (p *places) give() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 {
		p.free++
		return
	}
	best := len(p.waiting) - 1
	for i := best - 1; i >= 0; i-- {
		if p.waiting[i].rank < p.waiting[best].rank {
			best = i
		}
	}
	w := p.waiting[best]
	p.waiting = slices.Delete(p.waiting, best, best+1)
	close(w.turn)
}

// errGone says that a peer went away before its handshake had a place.
var errGone = errors.New("the peer went away while its handshake waited")

// handshake is a connection until its peer is known. It holds a place while it computes, and none while it waits for bytes.
type handshake struct {
	net.Conn
	places *places
	rank   int
	ctx    context.Context //nolint:containedctx // crypto/tls passes none to a signer
	held   bool
	over   bool
	ahead  []byte // what was read while it waited for its place
}

// take waits for a place, unless the connection has one, and gives up when the peer goes away.
func (h *handshake) take() error {
	if h.held || h.over {
		return nil
	}
	ctx, cancel := context.WithCancelCause(h.ctx)
	defer cancel(nil)
	stop := h.watch(func() { cancel(errGone) })
	err := h.places.take(ctx, h.rank)
	stop()
	h.held = err == nil
	return err
}

// watch reads one byte ahead in the background, and calls gone if there is none and will be none.
func (h *handshake) watch(gone func()) (stop func()) {
	if len(h.ahead) > 0 {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var one [1]byte
		n, err := h.Conn.Read(one[:])
		if n == 1 {
			h.ahead = one[:]
			return
		}
		if e, ok := errors.AsType[net.Error](err); !ok || !e.Timeout() {
			gone()
		}
	}()
	return func() {
		_ = h.SetReadDeadline(time.Unix(1, 0))
		<-done
		_ = h.SetReadDeadline(time.Time{}) // the context of the handshake ends the connection in time
	}
}

// give gives the place back.
func (h *handshake) give() {
	if h.held {
		h.held = false
		h.places.give()
	}
}

// end says that no place is needed any more.
func (h *handshake) end() {
	h.give()
	h.over = true
}

// Read gives the place back first, as the peer may take its time.
func (h *handshake) Read(p []byte) (int, error) {
	h.give()
	if len(h.ahead) > 0 {
		n := copy(p, h.ahead)
		h.ahead = h.ahead[n:]
		return n, nil
	}
	return h.Conn.Read(p)
}

// limitHandshakes makes handshakes compute in places only. A place is taken before the key agreement, and kept for the signature.
// The configuration must be complete otherwise, as what it asks for each connection is asked after that.
func limitHandshakes(config *tls.Config) {
	next := config.GetConfigForClient
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if h, ok := hello.Conn.(*handshake); ok {
			if err := h.take(); err != nil {
				return nil, err
			}
		}
		if next == nil {
			return nil, nil //nolint:nilnil // the configuration itself
		}
		return next(hello)
	}
}

// placedCertificate gives each handshake the certificate, with a key that signs when the handshake has a place: it had to give it
// back where the peer was asked once more.
func placedCertificate(certificate tls.Certificate, signer crypto.Signer) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		own := certificate
		if h, ok := hello.Conn.(*handshake); ok {
			own.PrivateKey = &placedSigner{signer, h}
		}
		return &own, nil
	}
}

// placedSigner signs for one handshake, when that has a place.
type placedSigner struct {
	crypto.Signer
	handshake *handshake
}

// Sign implements crypto.Signer.
func (s *placedSigner) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if err := s.handshake.take(); err != nil {
		return nil, err
	}
	return s.Signer.Sign(rand, digest, opts)
}
