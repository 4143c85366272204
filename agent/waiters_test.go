//go:build linux

package main

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
)

// TestWaitsOfPeersThatWentAwayAreFreed has many operators' connections wait for one ticket and go away. The daemon
// lets go of each at once, and not when its wait would have ended.
func TestWaitsOfPeersThatWentAwayAreFreed(t *testing.T) {
	const peers = 60
	home := filepath.Join(t.TempDir(), "home")
	a, first := tentacletest.NewCertificate(t, "operator")
	e := initialise(t, home, first)
	p := start(t, home, e)
	c := operator(t, e, a)
	startScript(t, c, "long", "sleep 300")
	eventually(t, "it runs", func() bool {
		r, err := c.GetStatus(t.Context(), tentacle.ScriptStatusRequestV2{Ticket: ticket("long")})
		return err == nil && r.State == tentacle.Running
	})
	pid := p.cmd.Process.Pid
	before := len(sockets(t, pid))
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	var all sync.WaitGroup
	for range peers {
		other := operator(t, e, a)
		if _, err := other.GetCapabilities(t.Context()); err != nil { // one by one, as an address has few connections before it is known
			t.Fatal(err)
		}
		all.Go(func() {
			_, err := other.WaitForStatus(ctx, tentacle.WaitForStatusCommandV1{Ticket: ticket("long"), MaxWait: halibut.TimeSpan(time.Minute)})
			if err == nil {
				t.Error("a wait was answered although nothing happened")
			}
		})
	}
	eventually(t, "all of them wait", func() bool { return len(sockets(t, pid)) == before+peers })
	time.Sleep(300 * time.Millisecond) // the requests have to arrive, which nothing shows from outside
	leave()
	all.Wait()
	begin := time.Now()
	eventually(t, "their connections are let go", func() bool { return len(sockets(t, pid)) <= before })
	t.Logf("%d connections were let go after %s", peers, time.Since(begin).Round(time.Millisecond))
	if _, err := c.CancelScript(t.Context(), tentacle.CancelScriptCommandV2{Ticket: ticket("long")}); err != nil {
		t.Error(err)
	}
	if code, _ := finish(t, c, "long"); code != tentacle.ExitCanceled {
		t.Errorf("exit code %d", code)
	}
}
