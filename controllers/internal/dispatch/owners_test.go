package dispatch

import (
	"context"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// Whichever way an action goes, nothing is kept of it, nor of its run.
func TestNothingIsKeptOfARunWithoutActions(t *testing.T) {
	sessions := session.NewPool(session.Config{RetryPause: time.Millisecond})
	t.Cleanup(sessions.Close)
	d := New(Config{Sessions: sessions})
	t.Cleanup(d.Close)
	machine := session.Machine{Identity: &session.Identity{}}
	for ticket, end := range map[string]func(string){
		"dropped":      d.Drop,
		"forgotten":    func(string) { d.Forget("run") },
		"acknowledged": func(ticket string) { d.Acknowledge("run", machine, ticket) },
	} {
		prepares, ended := make(chan struct{}), make(chan struct{})
		d.Dispatch(Action{Ticket: ticket, Owner: Owner{UID: "run"}, Prepare: func(ctx context.Context) (Prepared, error) {
			close(prepares)
			<-ctx.Done()
			close(ended)
			return Prepared{}, ctx.Err()
		}})
		if d.Len() != 1 || len(d.owners) != 1 {
			t.Fatalf("%d actions of %d runs", d.Len(), len(d.owners))
		}
		<-prepares
		end(ticket)
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Errorf("%s: its goroutine goes on", ticket)
		}
		d.mu.Lock()
		if len(d.actions)+len(d.owners)+len(d.machines)+len(d.limiter.waiting) != 0 {
			t.Errorf("%s: kept are %v, %v and %v", ticket, d.actions, d.owners, d.machines)
		}
		d.mu.Unlock()
	}
}
