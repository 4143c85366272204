package server

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/audit"
	"github.com/mantledeploy/mantle/api/halibut"
)

// Audit is what the server needs of an audit log; *audit.Log is one.
type Audit interface {
	// Append records what may only be done when it is recorded.
	Append(audit.Entry) error
	// Note records what is done in any case.
	Note(audit.Entry)
	// Head is told to operators.
	Head() audit.Head
}

// Pending remembers operators who were refused; *pending.List does.
type Pending interface {
	Refused(c *x509.Certificate, from net.Addr, now time.Time)
	// Unreadable is said of one whose certificate cannot be read, with the reason.
	Unreadable(reason string, from net.Addr, now time.Time)
}

// By fills in who called, where ctx is that of a call.
func By(ctx context.Context, e audit.Entry) audit.Entry {
	if p, ok := halibut.PeerFrom(ctx); ok {
		e = by(p, e)
	}
	return e
}

func by(p halibut.Peer, e audit.Entry) audit.Entry {
	if p.Address != nil {
		e.Peer = p.Address.String()
	}
	if p.Certificate != nil {
		e.Operator = string(halibut.SHA256Thumbprint(p.Certificate))
	}
	return e
}

// recordTransfer records a transfer before anything of it happens. The error passes.
func recordTransfer(log Audit) func(context.Context, audit.Entry) error {
	return func(ctx context.Context, e audit.Entry) error {
		if err := log.Append(By(ctx, e)); err != nil {
			return fmt.Errorf("the transfer cannot be recorded, and what cannot be recorded is not done: %w", err)
		}
		return nil
	}
}

// noteRefusal records a transfer that the policy refuses.
func (m *machine) noteRefusal(ctx context.Context, what, path string, err error) {
	e := audit.Entry{What: what, Decision: audit.Refused, Path: path}
	named, ok := errors.AsType[interface {
		error
		Rule() string
	}](err)
	if ok {
		e.Rule = named.Rule()
	}
	m.audit.Note(By(ctx, e))
}

// noteNoRoom records streams that were refused before they were read, as the disk has no room.
func (m *machine) noteNoRoom(ctx context.Context, method string, size int64) {
	what := audit.Upload
	if method == "StartScript" {
		what = audit.Start
	}
	m.audit.Note(By(ctx, audit.Entry{What: what, Decision: audit.Refused, Size: &size, Reason: "the disk has too little room for what was sent with it"}))
}
