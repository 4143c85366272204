package dispatch

import (
	"context"
	"errors"
	"time"

	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// tryAway connects once to a machine that is believed to be unreachable, before anything is prepared for it.
func (r *runner) tryAway(ctx context.Context) stage {
	if next := r.decision(ctx, trying); next != trying {
		return next
	}
	r.tellPreparing("connecting to the machine, which could not be reached before")
	announce := time.AfterFunc(announceAfter, func() { r.announce(r.action) })
	defer announce.Stop()
	undecided, stop := r.undecided(ctx)
	defer stop()
	m, err := r.Locate(undecided)
	if err != nil || m.Identity == nil {
		return r.reachable() // send reports what is missing
	}
	r.updateReport(r.action, func(report *Report) { report.Host = m.Address })
	err = r.config.Sessions.Reachable(undecided, m)
	switch {
	case r.abandoned():
		return over
	case r.decided() || ctx.Err() != nil:
		return r.decision(ctx, trying)
	case errors.Is(err, session.ErrBusy):
		return trying
	case err != nil:
		return r.unreached(err, true)
	default:
		return r.reachable()
	}
}

// reachable reports that the action can begin. It does when a row tells of it.
func (r *runner) reachable() stage {
	r.updateReport(r.action, func(report *Report) { report.Reachable, report.Reason, report.Message = true, "", "" })
	return over
}
