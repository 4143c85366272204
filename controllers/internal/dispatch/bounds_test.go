package dispatch_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	wire "github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// eager is a Tentacle whose scripts never end and that never holds an answer.
type eager struct {
	wire.Tentacle
	asked atomic.Int64
	// next are the numbers that it gives its first lines.
	next []int64
}

func (e *eager) GetCapabilities(context.Context) (wire.CapabilitiesResponseV2, error) {
	f := wire.Facts{Services: []string{wire.ScriptServiceV2Name, wire.MantleScriptServiceName}, Version: "test", Engine: step.Version}
	return f.Response(), nil
}

func (e *eager) StartScript(_ context.Context, c wire.StartScriptCommandV2) (wire.ScriptStatusResponseV2, error) {
	return wire.ScriptStatusResponseV2{Ticket: c.ScriptTicket, State: wire.Running}, nil
}

func (e *eager) WaitForStatus(_ context.Context, c wire.WaitForStatusCommandV1) (wire.ScriptStatusResponseV2, error) {
	if n := int(e.asked.Add(1)); n <= len(e.next) {
		return wire.ScriptStatusResponseV2{Ticket: c.Ticket, State: wire.Running, NextLogSequence: e.next[n-1],
			Logs: []wire.ProcessOutput{{Source: wire.StdOut, Text: "line"}}}, nil
	}
	return wire.ScriptStatusResponseV2{Ticket: c.Ticket, State: wire.Running, NextLogSequence: c.LastLogSequence}, nil
}

func (e *eager) serve(t *testing.T) session.Machine {
	t.Helper()
	certificate, _ := tentacletest.NewCertificate(t, "eager")
	own, operator := tentacletest.NewCertificate(t, "operator")
	server, err := halibut.NewServer(halibut.ServerConfig{Certificate: certificate, Authorise: func(halibut.Peer) error { return nil }, Services: wire.Services(e)})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
		<-done
	})
	return session.Machine{Namespace: "shop", Name: "web-1", UID: "uid", Address: listener.Addr().String(), Thumbprint: halibut.SHA256Thumbprint(certificate.Leaf),
		Identity: &session.Identity{Certificate: own, Thumbprint: operator}, ConnectTimeout: 5 * time.Second, RetryDuration: time.Second}
}

func TestAMachineThatNeverHoldsAnAnswerIsNotAskedAllTheTime(t *testing.T) {
	t.Parallel()
	e := &eager{}
	m := machine{Machine: e.serve(t)}
	p := newPool(t, defaults)
	before := time.Now()
	p.Dispatch(runAction(m, "t1"))
	eventually(t, "it was asked four times", func() bool { return e.asked.Load() >= 4 })
	if took := time.Since(before); took < time.Second {
		t.Errorf("four times in %s", took)
	}
}
