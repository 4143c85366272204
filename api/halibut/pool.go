package halibut

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// clientConn is a connection of a Client, after the preamble.
type clientConn struct {
	*conn
	below       *gathering
	certificate *x509.Certificate
	// fresh means that no request was sent on it, so that NEXT does not belong before the first. since is when it was made.
	fresh bool
	since time.Time
	// stale closes it when it was idle too long; set only while it is in the pool.
	stale *time.Timer
}

// drop closes the connection without a word.
func (cc *clientConn) drop() {
	_ = cc.below.Close()
	cc.r, cc.w = 0, 0
	cc.release()
}

// finish says END and closes.
func (cc *clientConn) finish() {
	cc.limit = time.Now().Add(time.Second)
	_, _ = io.WriteString(cc, lineEnd+crlf)
	cc.drop()
}

// closeOn closes the connection when ctx ends. The stop function returns false where that has happened.
func (cc *clientConn) closeOn(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() { _ = cc.below.Close() })
}

// proceed says NEXT and waits for PROCEED.
func (cc *clientConn) proceed() error {
	if _, err := io.WriteString(cc, lineNext+crlf); err != nil {
		return err
	}
	line, err := readControl(cc)
	if err == nil && line != lineProceed {
		err = protocolErrorf("%q where PROCEED belongs", line)
	}
	return err
}

// send sends a request. Each part of it is a TLS record of its own, as old readers need (halibut.md section 3.6, rule W1). If all
// are in memory and need no pause between them, they leave in one write.
func (cc *clientConn) send(message *encoder, pause time.Duration) error {
	waits := func(s *DataStream) bool { return !s.atHand }
	cc.below.on = pause == 0 && len(message.streams) > 0 && !slices.ContainsFunc(message.streams, waits)
	err := cc.sendMessage(message.out)
	if err != nil {
		err = fmt.Errorf("sending request: %w", err)
	} else {
		err = cc.sendStreams(message.streams, pause)
	}
	if flushed := cc.below.flush(); err == nil {
		err = flushed
	}
	return err
}

// alive tells whether an idle connection on which nothing was said still stands, as far as our side knows.
func (cc *clientConn) alive() bool {
	const glance = time.Millisecond
	return errors.Is(cc.wait(glance), os.ErrDeadlineExceeded)
}

// poolKey identifies connections that are as good as one another.
type poolKey struct {
	address    string
	thumbprint Thumbprint
}

func keyOf(ep Endpoint) poolKey {
	return poolKey{address: strings.ToLower(ep.Address), thumbprint: ep.Thumbprint}
}

// pool holds idle connections. The last one put in is taken first.
type pool struct {
	maxIdle int
	maxAge  time.Duration

	mu     sync.Mutex
	idle   map[poolKey][]*clientConn
	closed bool
}

// take returns an idle connection, or nil.
func (p *pool) take(key poolKey) *clientConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.idle[key]
	if len(list) == 0 {
		return nil
	}
	cc := list[len(list)-1]
	p.set(key, list[:len(list)-1])
	cc.stale.Stop()
	return cc
}

func (p *pool) set(key poolKey, list []*clientConn) {
	if len(list) == 0 {
		delete(p.idle, key)
		return
	}
	p.idle[key] = list
}

// put keeps a connection for later, or ends it where there are enough.
func (p *pool) put(key poolKey, cc *clientConn) {
	cc.release()
	p.mu.Lock()
	keep := !p.closed && len(p.idle[key]) < p.maxIdle
	if keep {
		cc.stale = time.AfterFunc(p.maxAge, func() { p.expire(key, cc) })
		p.idle[key] = append(p.idle[key], cc)
	}
	p.mu.Unlock()
	if !keep {
		cc.finish()
	}
}

func (p *pool) expire(key poolKey, cc *clientConn) {
	p.mu.Lock()
	i := slices.Index(p.idle[key], cc)
	if i >= 0 {
		p.set(key, slices.Delete(p.idle[key], i, i+1))
	}
	p.mu.Unlock()
	if i >= 0 {
		cc.finish()
	}
}

// clear ends the idle connections of a key.
func (p *pool) clear(key poolKey) {
	p.mu.Lock()
	list := p.idle[key]
	delete(p.idle, key)
	p.mu.Unlock()
	endAll(list)
}

// close ends all idle connections, and those that are put in later.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	all := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, list := range all {
		endAll(list)
	}
}

func endAll(list []*clientConn) {
	for _, cc := range list {
		cc.stale.Stop()
		cc.finish()
	}
}
