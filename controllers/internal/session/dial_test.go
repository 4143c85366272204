package session_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// One machine that swallows connections must not make another look as if it were away.
func TestWaitingToDialIsNotTheMachinesFault(t *testing.T) {
	m := newMachine(t)
	dead := m.Machine
	dead.Address, dead.ConnectTimeout = "dead:1", 2*time.Second
	dialling := make(chan struct{}, 1)
	p := newPool(t, session.Config{MaxDials: 1, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == "dead:1" {
			dialling <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}})
	var work sync.WaitGroup
	work.Go(func() {
		var connect *halibut.ConnectError
		if _, err := p.Probe(t.Context(), dead); !errors.As(err, &connect) || connect.Stage != halibut.ConnectTimedOut {
			t.Errorf("the dead machine: %v", err)
		}
	})
	<-dialling
	alive := m.Machine
	alive.ConnectTimeout = time.Second
	if _, err := p.Probe(t.Context(), alive); err != nil {
		t.Errorf("the machine that waited for its turn: %v", err)
	}
	work.Wait()
}

func TestASilentTentacleIsNotWaitedForLong(t *testing.T) {
	t.Parallel()
	m, p := newMachine(t), newPool(t, session.Config{})
	m.Inject(tentacletest.Before("GetCapabilities"), -1, tentacletest.Stall)
	before := time.Now()
	_, err := p.Probe(t.Context(), m.Machine)
	var connect *halibut.ConnectError
	if !errors.As(err, &connect) || connect.Stage != halibut.NoAnswer || time.Since(before) > 25*time.Second {
		t.Errorf("%v after %s", err, time.Since(before))
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
	m, count := newMachine(t), &meter{}
	p := newPool(t, session.Config{MaxDials: 3, Linger: 100 * time.Millisecond, DialContext: count.dial})
	var work sync.WaitGroup
	for range 20 {
		work.Go(func() {
			if _, err := p.Probe(t.Context(), m.Machine); err != nil {
				t.Errorf("probing: %v", err)
			}
		})
	}
	work.Wait()
	ended := time.Now()
	if most := count.most.Load(); most > 3 {
		t.Errorf("%d were dialled at once", most)
	}
	eventually(t, "every connection is closed", func() bool { return count.open.Load() == 0 })
	if took := time.Since(ended); took > 30*time.Second { // after 50 s idle connections are closed anyway
		t.Errorf("they stayed open for %s", took)
	}
}

// A handshake is the costly part of a connection: where many machines are dialled, those that wait for theirs are not away.
func TestHandshakesAreBoundedAsDialsAre(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var open, most atomic.Int64
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			most.Store(max(most.Load(), open.Add(1)))
			time.AfterFunc(20*time.Millisecond, func() { // long enough for all to come together
				open.Add(-1)
				_ = c.Close()
			})
		}
	}()
	m := newMachine(t).Machine
	m.Address = l.Addr().String()
	p := newPool(t, session.Config{MaxDials: 2})
	var work sync.WaitGroup
	for range 10 {
		work.Go(func() {
			if _, err := p.Probe(t.Context(), m); err == nil {
				t.Error("a machine that says nothing was reached")
			}
		})
	}
	work.Wait()
	if n := most.Load(); n != 1 { // half of the dials are one namespace's
		t.Errorf("%d handshakes went on at once", n)
	}
}
