package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/audit"
	"github.com/mantledeploy/mantle/agent/internal/trust"
	"github.com/mantledeploy/mantle/api/halibut"
)

// maxRefusals is how many peers are told apart at once. Those beyond share one line. It also bounds how fast
// strangers can fill the audit log, and push old lines out of it.
const maxRefusals = 64

// refusals tells the log and the audit log of refused peers, boundedly: one line a minute for each address and
// thumbprint, saying how many there were since the last.
type refusals struct {
	logger *slog.Logger
	audit  func(audit.Entry)
	// pending is told of every operator that is not trusted.
	pending Pending
	tally   *audit.Tally[refusal, error]
}

type refusal struct {
	address, thumbprint string
}

const nobody, others, unread = "none", "others", "unreadable"

func newRefusals(c Config) *refusals {
	r := &refusals{logger: c.Logger, audit: c.Audit.Note, pending: c.Pending}
	r.tally = audit.NewTally(maxRefusals, func(refusal) refusal { return refusal{address: others, thumbprint: others} },
		func(_, newest error) error { return newest }, r.tell)
	return r
}

func (r *refusals) record(p halibut.Peer, err error, now time.Time) {
	key := refusal{address: host(p.Address), thumbprint: nobody}
	if p.Certificate != nil {
		key.thumbprint = string(halibut.SHA256Thumbprint(p.Certificate))
		if errors.Is(err, trust.ErrNotTrusted) {
			r.pending.Refused(p.Certificate, p.Address, now)
		}
	}
	if e, ok := errors.AsType[*halibut.UnreadableError](err); ok {
		key.thumbprint = unread
		r.pending.Unreadable(e.Reason, p.Address, now)
	}
	for _, due := range r.tally.Count(key, err, now) {
		r.tell(due)
	}
}

// flush tells of what was counted and not told.
func (r *refusals) flush() { r.tally.Flush() }

func (r *refusals) tell(d audit.Counted[refusal, error]) {
	known := d.Kind.thumbprint != nobody && d.Kind.thumbprint != others && d.Kind.thumbprint != unread
	attrs := []any{"from", d.Kind.address, "thumbprint", d.Kind.thumbprint, "count", d.Count, "reason", d.Value}
	if known && errors.Is(d.Value, trust.ErrNotTrusted) {
		attrs = append(attrs, "remedy", "if this operator may deploy here: tentacle trust add "+d.Kind.thumbprint)
	}
	if d.Kind.thumbprint == unread {
		attrs = append(attrs, "remedy", "if this operator may deploy here: give it a new certificate (on an Octopus Server: Octopus.Server new-certificate), and trust that")
	}
	level := slog.LevelWarn
	if errors.Is(d.Value, halibut.ErrNoPeer) { // port scanners, load balancers that look whether the port is open
		level = slog.LevelInfo
	}
	r.logger.Log(context.Background(), level, "a connection was refused", attrs...)
	e := audit.Entry{What: audit.Connection, Decision: audit.Refused, Peer: d.Kind.address, Count: d.Count, Reason: d.Value.Error()}
	if known {
		e.Operator = d.Kind.thumbprint
	}
	r.audit(e)
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
