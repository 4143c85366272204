package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/audit"
	"github.com/mantledeploy/mantle/agent/internal/trust"
	"github.com/mantledeploy/mantle/api/halibut"
)

const (
	// refusalPause is how long log and audit log keep quiet about the same peer.
	refusalPause = time.Minute
	// maxRefusals is how many peers are told apart at once. Those beyond share one line. It also bounds how fast
	// strangers can fill the audit log, and push old lines out of it.
	maxRefusals = 64
)

// refusals tells the log and the audit log of refused peers, boundedly: one line a minute for each address and
// thumbprint, saying how many there were since the last. It needs no timer: what is counted and not told yet is
// told with the next refusal of the peer, when its place is needed, or when the server ends.
type refusals struct {
	logger *slog.Logger
	audit  func(audit.Entry)
	// pending is told of every operator that is not trusted.
	pending Pending

	mu   sync.Mutex
	seen map[refusal]*tally
}

type refusal struct {
	address, thumbprint string
}

type tally struct {
	told  time.Time
	quiet int64
	err   error
}

// report is what is to be told.
type report struct {
	refusal
	count int64
	err   error
}

const nobody, others = "none", "others"

func newRefusals(c Config) *refusals {
	return &refusals{logger: c.Logger, audit: c.Audit.Note, pending: c.Pending, seen: map[refusal]*tally{}}
}

func (r *refusals) record(p halibut.Peer, err error, now time.Time) {
	key := refusal{address: host(p.Address), thumbprint: nobody}
	if p.Certificate != nil {
		key.thumbprint = string(halibut.SHA256Thumbprint(p.Certificate))
		if errors.Is(err, trust.ErrNotTrusted) {
			r.pending.Refused(p.Certificate, p.Address, now)
		}
	}
	for _, due := range r.count(key, err, now) {
		r.tell(due)
	}
}

// flush tells of what was counted and not told.
func (r *refusals) flush() {
	r.mu.Lock()
	due := r.forget(time.Now().Add(refusalPause))
	r.mu.Unlock()
	for _, d := range due {
		r.tell(d)
	}
}

func (r *refusals) tell(d report) {
	known := d.thumbprint != nobody && d.thumbprint != others
	attrs := []any{"from", d.address, "thumbprint", d.thumbprint, "count", d.count, "reason", d.err}
	if known && errors.Is(d.err, trust.ErrNotTrusted) {
		attrs = append(attrs, "remedy", "if this operator may deploy here: tentacle trust add "+d.thumbprint)
	}
	level := slog.LevelWarn
	if errors.Is(d.err, halibut.ErrNoPeer) { // port scanners, load balancers that look whether the port is open
		level = slog.LevelInfo
	}
	r.logger.Log(context.Background(), level, "a connection was refused", attrs...)
	e := audit.Entry{What: audit.Connection, Decision: audit.Refused, Peer: d.address, Count: d.count, Reason: d.err.Error()}
	if known {
		e.Operator = d.thumbprint
	}
	r.audit(e)
}

// count counts a refusal, and returns what it is time to tell.
func (r *refusals) count(key refusal, err error, now time.Time) (due []report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, known := r.seen[key]
	if !known && len(r.seen) >= maxRefusals {
		due = r.forget(now)
	}
	if !known && len(r.seen) >= maxRefusals {
		key = refusal{address: others, thumbprint: others}
		t = r.seen[key]
	}
	if t == nil {
		t = &tally{}
		r.seen[key] = t
	}
	t.quiet++
	t.err = err
	if t.told.IsZero() || now.Sub(t.told) >= refusalPause {
		due = append(due, report{key, t.quiet, err})
		t.told, t.quiet = now, 0
	}
	return due
}

// forget makes room: who has been quiet for a minute is as good as new. It returns what was not told of them.
func (r *refusals) forget(now time.Time) (due []report) {
	for key, t := range r.seen {
		if now.Sub(t.told) < refusalPause {
			continue
		}
		if t.quiet > 0 {
			due = append(due, report{key, t.quiet, t.err})
		}
		delete(r.seen, key)
	}
	return due
}

func host(a net.Addr) string {
	if a == nil {
		return "unknown"
	}
	h, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return h
}
