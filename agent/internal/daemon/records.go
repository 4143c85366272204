package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/mantledeploy/mantle/agent/internal/audit"
	"github.com/mantledeploy/mantle/agent/internal/pending"
	"github.com/mantledeploy/mantle/agent/internal/server"
	"github.com/mantledeploy/mantle/api/halibut"
)

// openRecords opens what the daemon remembers of others for the owner of the machine.
func (p *parts) openRecords(o Options) error {
	log, err := audit.Open(o.Home.Audit(), p.logger)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	p.audit = audit.Record(log)
	p.pending = pending.Open(o.Home, p.logger)
	p.trust.OnBound(func(sha1, sha256 halibut.Thumbprint) {
		p.audit.Note(audit.Entry{What: audit.Trust, Decision: "bound", Operator: string(sha256), User: audit.LocalUser(os.LookupEnv),
			Reason: "it was trusted by the SHA-1 " + string(sha1) + ", and connected for the first time"})
	})
	return nil
}

func (p *parts) closeRecords() error {
	var err error
	if p.pending != nil {
		err = p.pending.Sync()
	}
	if p.audit != nil {
		err = errors.Join(err, p.audit.Close())
	}
	return err
}

// record writes down what an operator asks for. Only what begins something must be on the disk before it is done.
func (p *parts) record(ctx context.Context, e audit.Entry) error {
	e = server.By(ctx, e)
	if e.What == audit.Start && e.Decision == audit.Allowed {
		return p.audit.Append(e)
	}
	p.audit.Note(e)
	return nil
}

// daemonEntry is a line about the daemon itself.
func daemonEntry(what, version string) audit.Entry {
	e := audit.Entry{What: audit.Daemon, Decision: what, User: audit.LocalUser(os.LookupEnv)}
	if version != "" {
		e.Reason = "version " + version
	}
	return e
}
