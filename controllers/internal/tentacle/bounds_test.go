package tentacle_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	wire "github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
	"github.com/mantledeploy/mantle/controllers/internal/tentacle"
)

// eager is a Tentacle whose scripts never end and that never holds an answer.
type eager struct {
	wire.Tentacle
	asked atomic.Int64
}

func (e *eager) GetCapabilities(context.Context) (wire.CapabilitiesResponseV2, error) {
	f := wire.Facts{Services: []string{wire.ScriptServiceV2Name, wire.MantleScriptServiceName}, Version: "test", Engine: step.Version}
	return f.Response(), nil
}

func (e *eager) StartScript(_ context.Context, c wire.StartScriptCommandV2) (wire.ScriptStatusResponseV2, error) {
	return wire.ScriptStatusResponseV2{Ticket: c.ScriptTicket, State: wire.Running}, nil
}

func (e *eager) WaitForStatus(_ context.Context, c wire.WaitForStatusCommandV1) (wire.ScriptStatusResponseV2, error) {
	e.asked.Add(1)
	return wire.ScriptStatusResponseV2{Ticket: c.Ticket, State: wire.Running, NextLogSequence: c.LastLogSequence}, nil
}

func (e *eager) serve(t *testing.T) tentacle.Machine {
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
	return tentacle.Machine{Namespace: "shop", Name: "web-1", UID: "uid", Address: listener.Addr().String(), Thumbprint: halibut.SHA256Thumbprint(certificate.Leaf),
		Identity: &tentacle.Identity{Certificate: own, Thumbprint: operator}, ConnectTimeout: 5 * time.Second, RetryDuration: time.Second}
}

func TestAMachineThatNeverHoldsAnAnswerIsNotAskedAllTheTime(t *testing.T) {
	t.Parallel()
	e := &eager{}
	m := machine{Machine: e.serve(t)}
	p := tentacle.NewPool(tentacle.Config{})
	t.Cleanup(p.Close)
	before := time.Now()
	p.Dispatch(runAction(m, "t1"))
	eventually(t, "it was asked four times", func() bool { return e.asked.Load() >= 4 })
	if took := time.Since(before); took < time.Second {
		t.Errorf("four times in %s", took)
	}
}

// meter counts the connections that are being made, and those that are open.
type meter struct {
	dialling, most, open atomic.Int64
}

type metered struct {
	net.Conn
	meter *meter
	once  sync.Once
}

func (c *metered) Close() error {
	c.once.Do(func() { c.meter.open.Add(-1) })
	return c.Conn.Close()
}

func (m *meter) dial(ctx context.Context, network, address string) (net.Conn, error) {
	n := m.dialling.Add(1)
	defer m.dialling.Add(-1)
	for most := m.most.Load(); n > most && !m.most.CompareAndSwap(most, n); most = m.most.Load() {
	}
	select { // long enough for all to come together
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(20 * time.Millisecond):
	}
	c, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	m.open.Add(1)
	return &metered{Conn: c, meter: m}, nil
}

func TestConnectionsAreBoundedAndGoWhenNobodyWorks(t *testing.T) {
	t.Parallel()
	m, count := newMachine(t, engine(0, "")), &meter{}
	p := tentacle.NewPool(tentacle.Config{MaxDials: 3, Linger: 100 * time.Millisecond, DialContext: count.dial})
	t.Cleanup(p.Close)
	var work sync.WaitGroup
	for range 20 {
		work.Go(func() {
			if _, err := p.Probe(t.Context(), m.Machine); err != nil {
				t.Errorf("probing: %v", err)
			}
		})
	}
	work.Wait()
	if most := count.most.Load(); most > 3 {
		t.Errorf("%d were dialled at once", most)
	}
	eventually(t, "every connection is closed", func() bool { return count.open.Load() == 0 })
}
