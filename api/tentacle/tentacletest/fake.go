package tentacletest

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// Options describe a Fake. The zero value is a Tentacle that trusts nobody and runs Bash.
type Options struct {
	// Certificate is the Tentacle's identity; without one it gets a new one.
	Certificate tls.Certificate
	// Trusted are the operators that it obeys. See Fake.Trust.
	Trusted []halibut.Thumbprint
	// Script is what every ticket runs; nil is Bash.
	Script Script
	// Root is the folder below which Bash has its scripts' folders; without one it is a temporary one.
	// Files that are transferred never go there: they stay in memory.
	Root string
	// Facts replace what the Tentacle tells about itself, except its services.
	Facts tentacle.Facts
	// WithoutWait leaves out IMantleScriptServiceV1, as on Octopus's own Tentacles.
	WithoutWait bool
	// Also are further capabilities that it lists.
	Also []string
	// Generation is whose Tentacle it plays; the zero value is Mantle's.
	Generation Generation
	// Address is where it listens; without one it is Loopback.
	Address string
}

// Fake is a Tentacle in memory behind a real port. All methods may be called concurrently.
type Fake struct {
	t           testing.TB
	certificate tls.Certificate
	address     string
	machine     *machine
	faults      *faults
	services    []halibut.Service
	work        sync.WaitGroup
	ended       chan struct{}

	mu        sync.Mutex
	trusted   []halibut.Thumbprint
	behaviour Behaviour
	listener  net.Listener
	server    *halibut.Server
	imposter  *halibut.Server
	accepted  map[string]net.Conn
	queues    map[*halibut.Server]*queue
	refused   int
}

// StartFake makes a Fake and lets it listen. It ends with the test.
func StartFake(t testing.TB, o Options) *Fake {
	t.Helper()
	if o.Certificate.Certificate == nil {
		o.Certificate, _ = NewCertificate(t, "Fake Tentacle")
	}
	needsRoot := o.Script == nil
	if o.Script == nil {
		o.Script = Bash
	}
	if o.Root == "" && (o.Generation != Mantle || needsRoot) {
		o.Root = t.TempDir()
	}
	if o.Address == "" {
		o.Address = Loopback()
	}
	f := &Fake{
		t: t, certificate: o.Certificate, address: o.Address,
		trusted: slices.Clone(o.Trusted), machine: newMachine(o), ended: make(chan struct{}),
		accepted: map[string]net.Conn{}, queues: map[*halibut.Server]*queue{},
	}
	f.faults = newFaults(f.machine, f.connection, f.ended)
	services := o.Generation.offered(tentacle.Services(f.faults))
	if o.WithoutWait {
		services = slices.DeleteFunc(services, func(s halibut.Service) bool {
			return s.Name == tentacle.MantleScriptServiceName
		})
	}
	f.machine.facts.Services = append(append(tentacle.Listed(services), o.Generation.trait().also...), o.Also...)
	services = append(services, f.missing(o.Generation)...)
	f.services = services
	other, _ := NewCertificate(t, "Imposter")
	f.server = f.newServer(o.Certificate, services)
	f.imposter = f.newServer(other, services)
	f.Listen()
	t.Cleanup(f.end)
	return f
}

func (f *Fake) newServer(c tls.Certificate, services []halibut.Service) *halibut.Server {
	f.t.Helper()
	s, err := halibut.NewServer(halibut.ServerConfig{
		Certificate: c, Authorise: f.authorise, Services: services, Page: "<html><body>A fake Tentacle</body></html>",
		NewestTLS: f.machine.generation.newestTLS(),
		Limits:    halibut.Limits{Idle: f.machine.generation.trait().idle},
		Refused: func(halibut.Peer, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.refused++
		},
	})
	if err != nil {
		f.t.Fatalf("making the fake's server: %v", err)
	}
	q := newQueue()
	f.mu.Lock()
	f.queues[s] = q
	f.mu.Unlock()
	f.work.Go(func() {
		if err := s.Serve(q); err != nil && !errors.Is(err, net.ErrClosed) {
			f.t.Errorf("serving the fake: %v", err)
		}
	})
	return s
}

func (f *Fake) authorise(p halibut.Peer) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, trusted := range f.trusted {
		if trusted.Matches(p.Certificate) {
			return nil
		}
	}
	return errors.New("the operator is not trusted")
}

// Endpoint is where the Fake listens, and its pin.
func (f *Fake) Endpoint() halibut.Endpoint {
	f.mu.Lock()
	defer f.mu.Unlock()
	return halibut.Endpoint{Address: f.address, Thumbprint: halibut.SHA1Thumbprint(f.certificate.Leaf)}
}

// Trust replaces the operators that the Fake obeys. Connections of others are closed.
func (f *Fake) Trust(operators ...halibut.Thumbprint) {
	f.mu.Lock()
	f.trusted = slices.Clone(operators)
	f.mu.Unlock()
	f.server.DropUntrusted()
	f.imposter.DropUntrusted()
}

// Refused counts the connections that were refused for want of trust.
func (f *Fake) Refused() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refused
}

// Inject lets the next times calls that pass the point meet the fault; times < 0 means all.
func (f *Fake) Inject(p Point, times int, fault Fault) { f.faults.inject(p, times, fault) }

// Calls are the methods that were called so far, in order.
func (f *Fake) Calls() []string { return f.faults.called() }

// Executions are the scripts that were really run so far, in order: each is one that had its turn, not one
// that was only asked for.
func (f *Fake) Executions() []*Execution { return f.machine.executed() }

// Forget loses all tickets, tombstones and files, as a machine does that was set up anew under its old
// identity. Scripts that run are cancelled.
func (f *Fake) Forget() { f.machine.forget() }

// File is the content of a file that was uploaded, by its path relative to the home.
func (f *Fake) File(path string) (content []byte, found bool) { return f.machine.file(path) }

// PutFile puts a file onto the machine, by its path relative to the home.
func (f *Fake) PutFile(path string, content []byte) { f.machine.putFile(path, content) }

func (f *Fake) end() {
	f.Stop()
	close(f.ended)
	f.machine.forget()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for s, q := range f.queues {
		_ = q.Close()
		if err := s.Shutdown(ctx); err != nil {
			f.t.Logf("shutting the fake down: %v", err)
		}
	}
	f.work.Wait()
	f.machine.running.Wait()
}

// Home is the folder that is its home, for Octopus's generations: scripts run and files lie below it.
func (f *Fake) Home() string { return f.machine.root }
