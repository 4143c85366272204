package session

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
)

// reachTimeout bounds Reachable, in which a lost packet is sent again once. A policy can make it shorter.
const reachTimeout = 3 * time.Second

// Reachable opens a TCP connection to a machine and closes it. It is for machines that are believed to be away: these take
// turns apart from the others, as many at once as Config.MaxDials, so that many of them delay none that answers. The error
// is a halibut.ConnectError, or ErrBusy if the machine was not tried.
func (p *Pool) Reachable(ctx context.Context, m Machine) error {
	ctx, stop := p.bounded(ctx, dialQueue)
	defer stop()
	if err := p.attempts.Enter(ctx, m.Namespace); err != nil {
		return fmt.Errorf("%w: %w", ErrBusy, err)
	}
	defer p.attempts.Leave(m.Namespace)
	ctx, cancel := context.WithTimeout(ctx, min(cmp.Or(m.ConnectTimeout, defaultConnect), reachTimeout))
	defer cancel()
	conn, err := p.dial(ctx, "tcp", m.Address)
	if err != nil {
		return halibut.NewDialError(m.Address, err)
	}
	_ = conn.Close()
	return nil
}
