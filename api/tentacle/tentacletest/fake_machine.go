package tentacletest

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// maxHeld bounds each file that a Fake takes into its memory.
const maxHeld = 256 << 20

// ticketKey is an operator and its ticket.
type ticketKey struct {
	owner halibut.Thumbprint
	id    string
}

// machine is a Tentacle in memory. One lock guards all of it.
type machine struct {
	script  Script
	root    string
	facts   tentacle.Facts
	running sync.WaitGroup

	mu         sync.Mutex
	tickets    map[ticketKey]*ticket
	mutexes    map[string]*mutex
	files      map[string][]byte
	executions []*Execution
	made       int64 // tickets of script service V1
	generation Generation
}

func newMachine(o Options) *machine {
	facts := o.Facts
	if o.Generation != Mantle {
		return &machine{
			script: o.Script, root: o.Root, generation: o.Generation,
			tickets: map[ticketKey]*ticket{}, mutexes: map[string]*mutex{}, files: map[string][]byte{},
		}
	}
	if facts.Version == "" {
		facts.Version = "0.0.0-fake"
	}
	if facts.OS == "" {
		facts.OS, facts.Arch = "linux", "amd64"
	}
	if facts.Policy == "" {
		facts.Policy = tentacle.PolicyNone
	}
	if facts.Engine == 0 {
		facts.Engine = 1
	}
	return &machine{
		script: o.Script, root: o.Root, facts: facts,
		tickets: map[ticketKey]*ticket{}, mutexes: map[string]*mutex{}, files: map[string][]byte{},
	}
}

func operator(ctx context.Context) halibut.Thumbprint {
	peer, ok := halibut.PeerFrom(ctx)
	if !ok || peer.Certificate == nil {
		return ""
	}
	return halibut.SHA256Thumbprint(peer.Certificate)
}

// key is what a ticket of the caller's is known by.
func (m *machine) key(ctx context.Context, t tentacle.ScriptTicket) ticketKey {
	return ticketKey{m.owner(ctx), tentacle.CanonicalTicket(t.TaskID)}
}

// workFolder is the name of a script's folder: the ticket, with its operator where another has the same. The lock is held.
func (m *machine) workFolder(k *ticket, t tentacle.ScriptTicket) string {
	id := tentacle.CanonicalTicket(t.TaskID)
	for key := range m.tickets {
		if key.id == id && key.owner != k.owner {
			return id + "@" + strings.TrimPrefix(string(k.owner), "sha256:")
		}
	}
	return id
}

// find returns a ticket that the caller may see, or nil. The lock is held.
func (m *machine) find(ctx context.Context, t tentacle.ScriptTicket) *ticket {
	k := m.tickets[m.key(ctx, t)]
	if k == nil || k.completed || k.forestalled {
		return nil
	}
	return k
}

func (m *machine) GetCapabilities(context.Context) (tentacle.CapabilitiesResponseV2, error) {
	return m.facts.Response(), nil
}

func (m *machine) StartScript(ctx context.Context, c tentacle.StartScriptCommandV2) (tentacle.ScriptStatusResponseV2, error) {
	if !tentacle.ValidTicket(c.ScriptTicket.TaskID) {
		return tentacle.RefusedTicket(c.ScriptTicket), nil
	}
	k, refusal := m.claim(ctx, c)
	if refusal != nil {
		return *refusal, nil
	}
	if k.command == nil {
		m.begin(k, c)
	}
	var wait time.Duration
	if d := c.DurationToWaitForScriptToFinish; d != nil {
		wait = d.Duration()
	}
	if err := m.await(ctx, k, wait); err != nil {
		return tentacle.ScriptStatusResponseV2{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return k.status(c.ScriptTicket, 0), nil
}

// claim finds or makes the ticket of a command. A ticket without a command is the caller's to begin. The
// second of two callers waits until the first has begun.
func (m *machine) claim(ctx context.Context, c tentacle.StartScriptCommandV2) (*ticket, *tentacle.ScriptStatusResponseV2) {
	m.mu.Lock()
	id := m.key(ctx, c.ScriptTicket)
	k := m.tickets[id]
	if k == nil || k.completed && m.octopus() {
		k = m.newTicket(m.owner(ctx))
		m.tickets[id] = k
		m.mu.Unlock()
		return k, nil
	}
	defer m.mu.Unlock()
	var refusal tentacle.ScriptStatusResponseV2
	switch {
	case k.forestalled:
		refusal = tentacle.Refused(c.ScriptTicket, tentacle.ExitCanceled, "the script was cancelled before it was started")
	case k.completed:
		var code *int32
		if k.state == tentacle.Complete {
			code = &k.exitCode
		}
		refusal = tentacle.Refused(c.ScriptTicket, tentacle.ExitAlreadyCompleted, tentacle.AlreadyCompletedLine(code))
	default:
		m.mu.Unlock()
		<-k.begun
		m.mu.Lock()
		return k, nil
	}
	return nil, &refusal
}

// begin prepares the ticket's execution and lets it go for its mutex.
func (m *machine) begin(k *ticket, c tentacle.StartScriptCommandV2) {
	files, err := readFiles(c.Files)
	m.mu.Lock()
	defer m.mu.Unlock()
	defer close(k.begun)
	c.Files = nil
	k.command = &c
	code := tentacle.ExitBadTicket
	if err == nil {
		err, code = c.Isolation.Check(), tentacle.ExitFatal
	}
	if err != nil {
		k.add(tentacle.StdErr, err.Error())
		k.finish(code)
		return
	}
	if k.state == tentacle.Complete {
		return
	}
	e := &Execution{Command: c, Operator: k.owner, Files: files, machine: m, ticket: k}
	if m.root != "" {
		e.Folder = filepath.Join(m.root, "Work", m.workFolder(k, c.ScriptTicket))
	}
	place := m.mutex(c.IsolationMutexName).enter(c.Isolation != tentacle.NoIsolation)
	m.running.Go(func() { m.run(k, e, place) })
}

// readFiles takes the files of a command into memory. Names that leave the script's folder are refused.
func readFiles(files []tentacle.ScriptFile) (map[string][]byte, error) {
	contents := map[string][]byte{}
	for _, f := range files {
		name := strings.ReplaceAll(f.Name, `\`, "/")
		if !filepath.IsLocal(name) || filepath.Clean(name) == "." {
			return nil, fmt.Errorf("the file name %q is refused", f.Name)
		}
		content, err := hold(f.Contents)
		if err != nil {
			return nil, fmt.Errorf("reading the file %q: %w", f.Name, err)
		}
		contents[name] = content
	}
	return contents, nil
}

func hold(stream *halibut.DataStream) ([]byte, error) {
	if stream == nil {
		return nil, nil
	}
	r, err := stream.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, maxHeld))
}

func (m *machine) GetStatus(ctx context.Context, r tentacle.ScriptStatusRequestV2) (tentacle.ScriptStatusResponseV2, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.find(ctx, r.Ticket)
	if k == nil {
		return tentacle.UnknownTicket(r.Ticket, r.LastLogSequence), nil
	}
	return m.early(k, k.status(r.Ticket, r.LastLogSequence)), nil
}

func (m *machine) CancelScript(ctx context.Context, c tentacle.CancelScriptCommandV2) (tentacle.ScriptStatusResponseV2, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := m.key(ctx, c.Ticket)
	if m.tickets[id] == nil && !m.octopus() {
		k := m.newTicket(m.owner(ctx))
		k.forestalled = true
		m.tickets[id] = k
	}
	k := m.find(ctx, c.Ticket)
	if k == nil {
		return tentacle.UnknownTicket(c.Ticket, c.LastLogSequence), nil
	}
	k.stop()
	return k.status(c.Ticket, c.LastLogSequence), nil
}

func (m *machine) CompleteScript(ctx context.Context, c tentacle.CompleteScriptCommandV2) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.complete(ctx, c.Ticket)
	return nil
}

// complete lets go of a script. One of Octopus's also deletes its folder, even of a script that it does not know, and whatever
// still runs there. The lock is held.
func (m *machine) complete(ctx context.Context, t tentacle.ScriptTicket) {
	if k := m.find(ctx, t); k != nil {
		k.complete()
	}
	if m.octopus() && tentacle.ValidTicket(t.TaskID) {
		_ = os.RemoveAll(filepath.Join(m.root, "Work", tentacle.CanonicalTicket(t.TaskID)))
	}
}

func (m *machine) executed() []*Execution {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.executions)
}

func (m *machine) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range m.tickets {
		k.stop()
		k.completed = true
	}
	clear(m.tickets)
	clear(m.files)
}
