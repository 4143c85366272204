package session

import (
	"cmp"
	"context"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
)

// reachTimeout bounds Reachable; TCP sends a lost packet again once in that time. A policy can make it shorter.
const reachTimeout = 3 * time.Second

// Reachable opens a TCP connection to a machine and closes it. Use it for machines that are believed to be unreachable:
// these connections have a limit of their own, also Config.MaxDials, so that they do not delay machines that answer.
// The error is a halibut.ConnectError, or wraps ErrBusy if the machine was not dialled.
func (p *Pool) Reachable(ctx context.Context, m Machine) error {
	ctx, stop := p.bounded(ctx, dialQueue)
	defer stop()
	release, err := admit(ctx, p.attempts, m.Namespace)
	if err != nil {
		return err
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, min(cmp.Or(m.ConnectTimeout, defaultConnect), reachTimeout))
	defer cancel()
	conn, err := p.dial(ctx, "tcp", m.Address)
	if err != nil {
		return halibut.NewDialError(m.Address, err)
	}
	_ = conn.Close()
	return nil
}
