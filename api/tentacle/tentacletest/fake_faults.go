package tentacletest

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// Point is a moment in the handling of a call: see Before and After.
type Point struct {
	method string
	after  bool
}

// Before is the moment when the request has arrived and nothing was done yet. The method is named as on the
// wire, for example "StartScript".
func Before(method string) Point { return Point{method: method} }

// After is the moment when everything was done and the response was not sent yet.
func After(method string) Point { return Point{method: method, after: true} }

// Fault is what happens to a call at a Point. The context ends when the caller goes away or the Fake ends;
// conn is the connection that the call came over. An error is answered instead of the result.
type Fault func(ctx context.Context, conn net.Conn) error

var errDropped = errors.New("the connection was dropped")

// Drop breaks the connection: the caller cannot know whether its call was done.
func Drop(_ context.Context, conn net.Conn) error {
	if conn != nil {
		abort(conn)
	}
	return errDropped
}

// Stall keeps the call until its caller goes away.
func Stall(ctx context.Context, _ net.Conn) error {
	<-ctx.Done()
	return ctx.Err()
}

// Fail answers an error: one that may pass, or a final one where err is a halibut.FinalError.
func Fail(err error) Fault {
	return func(context.Context, net.Conn) error { return err }
}

// Hook runs f and lets the call go on.
func Hook(f func()) Fault {
	return func(context.Context, net.Conn) error {
		f()
		return nil
	}
}

type injected struct {
	times int
	fault Fault
}

// faults is a Tentacle in front of the machine that lets calls meet what was injected.
type faults struct {
	machine    *machine
	connection func(net.Addr) net.Conn
	ended      <-chan struct{}

	most  atomic.Int64 // see Fake.Limit
	mu    sync.Mutex
	armed map[Point][]*injected
	calls []string
}

var _ tentacle.Tentacle = (*faults)(nil)

func newFaults(m *machine, connection func(net.Addr) net.Conn, ended <-chan struct{}) *faults {
	return &faults{machine: m, connection: connection, ended: ended, armed: map[Point][]*injected{}}
}

func (f *faults) inject(p Point, times int, fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.armed[p] = append(f.armed[p], &injected{times: times, fault: fault})
}

func (f *faults) called() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// take removes one use of the first fault that is armed at p.
func (f *faults) take(p Point) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !p.after {
		f.calls = append(f.calls, p.method)
	}
	for len(f.armed[p]) > 0 && f.armed[p][0].times == 0 {
		f.armed[p] = f.armed[p][1:]
	}
	if len(f.armed[p]) == 0 {
		return nil
	}
	f.armed[p][0].times--
	return f.armed[p][0].fault
}

func (f *faults) pass(ctx context.Context, p Point) error {
	fault := f.take(p)
	if fault == nil {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-f.ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	var conn net.Conn
	if peer, ok := halibut.PeerFrom(ctx); ok {
		conn = f.connection(peer.Address)
	}
	return fault(ctx, conn)
}

// through calls a method of the machine between the two points of its name.
func through[P, R any](ctx context.Context, f *faults, method string, call func(context.Context, P) (R, error), p P) (R, error) {
	var none R
	if err := f.pass(ctx, Before(method)); err != nil {
		return none, err
	}
	r, err := call(ctx, p)
	if fault := f.pass(ctx, After(method)); fault != nil {
		return none, fault
	}
	return r, err
}

// StartScript passes a call to the machine, as the other methods do.
func (f *faults) StartScript(ctx context.Context, c tentacle.StartScriptCommandV2) (tentacle.ScriptStatusResponseV2, error) {
	return through(ctx, f, "StartScript", f.machine.StartScript, c)
}

func (f *faults) GetStatus(ctx context.Context, r tentacle.ScriptStatusRequestV2) (tentacle.ScriptStatusResponseV2, error) {
	status, err := through(ctx, f, "GetStatus", f.machine.GetStatus, r)
	if f.over(len(status.Logs)) {
		return tentacle.ScriptStatusResponseV2{}, f.breakOff(ctx)
	}
	return status, err
}

func (f *faults) CancelScript(ctx context.Context, c tentacle.CancelScriptCommandV2) (tentacle.ScriptStatusResponseV2, error) {
	return through(ctx, f, "CancelScript", f.machine.CancelScript, c)
}

func (f *faults) CompleteScript(ctx context.Context, c tentacle.CompleteScriptCommandV2) error {
	_, err := through(ctx, f, "CompleteScript", func(ctx context.Context, c tentacle.CompleteScriptCommandV2) (struct{}, error) {
		return struct{}{}, f.machine.CompleteScript(ctx, c)
	}, c)
	return err
}

func (f *faults) WaitForStatus(ctx context.Context, c tentacle.WaitForStatusCommandV1) (tentacle.ScriptStatusResponseV2, error) {
	return through(ctx, f, "WaitForStatus", f.machine.WaitForStatus, c)
}

func (f *faults) UploadFile(ctx context.Context, path string, content *halibut.DataStream) (tentacle.UploadResult, error) {
	return through(ctx, f, "UploadFile", func(ctx context.Context, path string) (tentacle.UploadResult, error) {
		return f.machine.UploadFile(ctx, path, content)
	}, path)
}

func (f *faults) DownloadFile(ctx context.Context, path string) (*halibut.DataStream, error) {
	return through(ctx, f, "DownloadFile", f.machine.DownloadFile, path)
}

func (f *faults) GetCapabilities(ctx context.Context) (tentacle.CapabilitiesResponseV2, error) {
	return through(ctx, f, "GetCapabilities", func(ctx context.Context, _ struct{}) (tentacle.CapabilitiesResponseV2, error) {
		return f.machine.GetCapabilities(ctx)
	}, struct{}{})
}
