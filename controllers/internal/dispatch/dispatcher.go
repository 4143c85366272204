package dispatch

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/session"
	"github.com/mantledeploy/mantle/controllers/internal/turns"
)

// Config configures a Dispatcher. A number that is zero gets its default.
type Config struct {
	Sessions *session.Pool
	// MaxPrepare is how many actions are prepared at once (64), MaxPrepareNamespace how many in one namespace (16).
	MaxPrepare, MaxPrepareNamespace int
	// MaxActionsNamespace is how many actions of one namespace are in progress at once (10,000).
	MaxActionsNamespace int
	// MaxStartingNamespace is how many of those may not have reached their machine yet (512).
	MaxStartingNamespace int
	// PreparePause is the first pause before an action that is not ready is prepared again (2 s, doubling to 30 s).
	PreparePause time.Duration
	// RetryPause is the first pause between tries to reach a machine (1 s, doubling to 10 s).
	RetryPause time.Duration
	// CancelPause is the first pause between two CancelScript (0.5 s, doubling to 15 s).
	CancelPause time.Duration
	// CompleteAfter is how long after its result was written a ticket is completed on a machine that keeps no
	// tombstones (30 s): two lease durations, so that no earlier leader can start it again.
	CompleteAfter time.Duration
	// Fence is called before anything is prepared, started, cancelled or completed. An error means that this process is no
	// longer the leader: the action stops without a report.
	Fence func() error
	// Notify is called when the report of an action changes; it must not block.
	Notify func(Owner)
	// Sent is called when a machine accepts an action, with the time since its dispatch; it must not block.
	Sent   func(waited time.Duration)
	Logger *slog.Logger
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c Config) withDefaults() Config {
	setDefault(&c.MaxPrepare, 64)
	setDefault(&c.MaxPrepareNamespace, 16)
	setDefault(&c.MaxActionsNamespace, 10_000)
	setDefault(&c.MaxStartingNamespace, 512)
	setDefault(&c.PreparePause, 2*time.Second)
	setDefault(&c.RetryPause, time.Second)
	setDefault(&c.CancelPause, 500*time.Millisecond)
	setDefault(&c.CompleteAfter, 30*time.Second)
	setDefault(&c.Logger, slog.New(slog.DiscardHandler))
	if c.Fence == nil {
		c.Fence = func() error { return nil }
	}
	if c.Notify == nil {
		c.Notify = func(Owner) {}
	}
	if c.Sent == nil {
		c.Sent = func(time.Duration) {}
	}
	return c
}

// Dispatcher carries out actions. It is safe for concurrent use, and no method waits for a machine.
type Dispatcher struct {
	config   Config
	root     context.Context
	stopAll  context.CancelFunc
	running  sync.WaitGroup
	prepares *turns.Gate

	mu      sync.Mutex
	stopped bool
	actions map[string]*action
	limiter limiter
	// owners contains the tickets of each run, and whether their reports changed since the last Drain.
	owners map[types.UID]map[string]bool
	// machines contains the actions of each target, by ticket.
	machines map[types.NamespacedName]map[string]*action
}

// New returns a Dispatcher. It starts no goroutine before Dispatch.
func New(config Config) *Dispatcher {
	config = config.withDefaults()
	ctx, stop := context.WithCancel(config.Sessions.Context()) // no action can go on without sessions
	return &Dispatcher{config: config, root: ctx, stopAll: stop, prepares: turns.NewGate(config.MaxPrepare, config.MaxPrepareNamespace),
		actions: map[string]*action{}, limiter: newLimiter(config.MaxActionsNamespace, config.MaxStartingNamespace), owners: map[types.UID]map[string]bool{},
		machines: map[types.NamespacedName]map[string]*action{}}
}

// closeTime is how long Close waits for the goroutines of actions. The scripts keep running.
const closeTime = 5 * time.Second

// Start waits until the context ends, and then calls Close. It is a manager's Runnable.
func (d *Dispatcher) Start(ctx context.Context) error {
	<-ctx.Done()
	d.Close()
	return nil
}

// Close stops following every action and ends no script. It reports no result: the next process asks the machines.
func (d *Dispatcher) Close() {
	d.mu.Lock()
	d.stopped = true
	d.mu.Unlock()
	d.stopAll()
	done := make(chan struct{})
	go func() {
		d.running.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(closeTime):
	}
}

// Dispatch begins an action and returns at once. If the ticket was dispatched before, nothing is started, and Drain
// returns its report once more, because the caller may have lost it.
func (d *Dispatcher) Dispatch(a Action) {
	if d.begin(a) {
		d.config.Notify(a.Owner)
	}
}

// begin reports whether the owner must be notified: the action existed before, or it is queued.
func (d *Dispatcher) begin(a Action) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return false
	}
	if d.actions[a.Ticket] != nil {
		d.owners[a.Owner.UID][a.Ticket] = true
		return true
	}
	act := newAction(d.root, a)
	d.actions[a.Ticket] = act
	if d.owners[a.Owner.UID] == nil {
		d.owners[a.Owner.UID] = map[string]bool{}
	}
	d.owners[a.Owner.UID][a.Ticket] = false
	if d.machines[act.machine()] == nil {
		d.machines[act.machine()] = map[string]*action{}
	}
	d.machines[act.machine()][a.Ticket] = act
	return d.launch(act)
}

// Cancel asks the machine to end the action's script, again and again until it has ended. An action that was not sent
// is never sent.
func (d *Dispatcher) Cancel(ticket string) {
	if act := d.lookup(ticket); act != nil {
		act.cancel()
		d.decide(act)
	}
}

// GiveUp ends an action as Failed, with the reason for which it waits, unless it was sent or may have been.
func (d *Dispatcher) GiveUp(ticket string) {
	if act := d.lookup(ticket); act != nil {
		act.giveUp()
		d.decide(act)
	}
}

// Relocate says that the target has another address: a pending request is cancelled, and Locate is called again.
func (d *Dispatcher) Relocate(ticket string) {
	if act := d.lookup(ticket); act != nil {
		act.relocate()
	}
}

func (d *Dispatcher) lookup(ticket string) *action {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.actions[ticket]
}

// Drain returns the reports of a run's actions that changed since the last Drain, sorted by ticket.
func (d *Dispatcher) Drain(owner types.UID) []Report {
	d.mu.Lock()
	defer d.mu.Unlock()
	var reports []Report
	for ticket, changed := range d.owners[owner] {
		if changed {
			reports = append(reports, d.actions[ticket].report)
			d.owners[owner][ticket] = false
		}
	}
	slices.SortFunc(reports, func(a, b Report) int { return cmp.Compare(a.Ticket, b.Ticket) })
	return reports
}

// Acknowledge says that the result of an action is written: the Dispatcher forgets the action, and tells the machine in
// the background that it can forget it too. It also works for an action that this process does not know.
func (d *Dispatcher) Acknowledge(owner types.UID, m session.Machine, ticket string) {
	c := session.Completion{Machine: m, Owner: owner, Ticket: tentacle.ScriptTicket{TaskID: ticket}, Due: time.Now().Add(d.config.CompleteAfter), Fence: d.config.Fence}
	d.mu.Lock()
	act := d.actions[ticket]
	all := []session.Completion{c}
	if act != nil {
		all = act.completions(c)
		d.remove(act)
	}
	d.mu.Unlock()
	for _, c := range all {
		d.config.Sessions.Complete(c)
	}
}

// Drop removes an action whose result is no longer needed. If it was not sent it is never sent, and the machine is no
// longer asked about it.
func (d *Dispatcher) Drop(ticket string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if act := d.actions[ticket]; act != nil {
		d.remove(act)
	}
}

// Forget drops all actions of a deleted run, and the completions that its machines have not received. A run that has
// ended needs no Forget: Acknowledge and Drop remove its actions.
func (d *Dispatcher) Forget(owner types.UID) {
	d.mu.Lock()
	for ticket := range d.owners[owner] {
		d.remove(d.actions[ticket])
	}
	d.mu.Unlock()
	d.config.Sessions.DropCompletions(owner)
}

// remove ends the goroutine of an action and forgets it. The lock is held.
func (d *Dispatcher) remove(act *action) {
	act.stop()
	d.limiter.dequeue(act)
	delete(d.actions, act.Ticket)
	delete(d.owners[act.Owner.UID], act.Ticket)
	if len(d.owners[act.Owner.UID]) == 0 {
		delete(d.owners, act.Owner.UID)
	}
	delete(d.machines[act.machine()], act.Ticket)
	if len(d.machines[act.machine()]) == 0 {
		delete(d.machines, act.machine())
	}
}

// updateReport changes the report of an action, and notifies its owner if it now differs from what the owner knows.
func (d *Dispatcher) updateReport(act *action, change func(*Report)) {
	d.mu.Lock()
	change(&act.report)
	act.report.tidy()
	changed := d.note(act)
	d.mu.Unlock()
	if changed {
		d.config.Notify(act.Owner)
	}
}

// announce notifies the owner of an action that is still being prepared. One that is prepared quickly is not announced.
func (d *Dispatcher) announce(act *action) {
	d.mu.Lock()
	changed := act.report.Reason == v1alpha1.ReasonPreparing && d.note(act)
	d.mu.Unlock()
	if changed {
		d.config.Notify(act.Owner)
	}
}

// note marks an action as changed if its report differs from what its owner knows. The lock is held.
func (d *Dispatcher) note(act *action) bool {
	if d.actions[act.Ticket] != act || !act.report.differs(act.reported) {
		return false
	}
	act.reported = act.report
	d.owners[act.Owner.UID][act.Ticket] = true
	return true
}
