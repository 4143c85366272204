package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
)

// Machines that swallow connections take turns, each for a few seconds, and delay no machine that answers.
func TestMachinesThatAreAwayTakeTurnsOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		p := NewPool(Config{MaxDials: 8, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		defer p.Close()
		begun, errs := time.Now(), make(chan error, 40)
		for i := range cap(errs) {
			go func() {
				errs <- p.Reachable(t.Context(), Machine{Namespace: "shop", Name: fmt.Sprint(i), Address: "10.0.0.1:10933"})
			}()
		}
		synctest.Wait()
		release, err := admit(t.Context(), p.dials, "shop")
		if err != nil || time.Since(begun) != 0 {
			t.Fatalf("a machine that answers was dialled after %s: %v", time.Since(begun), err)
		}
		release()
		for range cap(errs) {
			var connect *halibut.ConnectError
			if err := <-errs; !errors.As(err, &connect) || connect.Stage != halibut.ConnectTimedOut {
				t.Errorf("told is %v", err)
			}
		}
		if most.Load() != 4 || time.Since(begun) != 10*reachTimeout {
			t.Errorf("%d at once, over after %s", most.Load(), time.Since(begun))
		}
	})
}

func TestAMachineWhosePolicyIsImpatientIsTriedForNoLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(Config{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		defer p.Close()
		begun := time.Now()
		if err := p.Reachable(t.Context(), Machine{Address: "10.0.0.1:10933", ConnectTimeout: time.Second}); err == nil || time.Since(begun) != time.Second {
			t.Errorf("%v after %s", err, time.Since(begun))
		}
	})
}
