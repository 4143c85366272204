package run

import (
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/compose"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
)

// active is the state of a run whose actions this process carries out.
type active struct {
	ledger *ledger.Ledger
	inputs *compose.Run
	// saved is when the status of the run was written last.
	saved time.Time
	// passed is when the last pass ended, and took is its duration.
	passed time.Time
	took   time.Duration
}

// After a pass, a run pauses for pauseFactor times the duration of that pass, so its passes take at most a quarter of a
// worker's time. Reports that arrive during the pause are handled together. A pause is at most maxPause, and at most
// pauseEach for each target: a pass over few targets mostly waits for the API server, so a small run hardly pauses.
const (
	pauseFactor = 3
	maxPause    = 500 * time.Millisecond
	pauseEach   = 5 * time.Millisecond
)

// memory is everything that the reconciler keeps between passes. A new process rebuilds it from the API server.
type memory struct {
	mu sync.Mutex
	// runs has the known runs by name. If a run is created again with the same name, it replaces the earlier one.
	runs map[types.NamespacedName]*remembered
	// spaces has some of the runs again, by namespace.
	spaces map[string]*space
	// turns has the run that may proceed for each project and environment.
	turns map[turn]types.UID
	// deleted are runs that were deleted, for which something may still be kept.
	deleted map[types.NamespacedName][]types.UID
}

type remembered struct {
	name types.NamespacedName
	uid  types.UID
	born time.Time
	turn turn
	// active is nil until the targets of the run are fixed. begun is true once actions were dispatched.
	active *active
	begun  bool
	// version is the version of the run that this process wrote or read last while the targets were not fixed; empty if the run
	// must be read from the API server.
	version string
	// created is set between the pass that fixes the targets of a run and the next one.
	created *created
	// room is set while the run waits for the actions of other runs, and entering while it is being started.
	room     *room
	entering bool
	// recording is set while the run waits until targets show the result of another.
	recording bool
	// announced are the kinds and reasons of waits that had an event.
	announced []string
}

// created is what a ledger is made of, and the status that was written with it.
type created struct {
	process *v1alpha1.ProjectSpec
	slices  []*v1alpha1.DeploymentRunSlice
	status  *v1alpha1.DeploymentRunStatus
}

// turn identifies a project in an environment. One run at a time may proceed there.
type turn struct {
	namespace            string
	project, environment v1alpha1.ObjectName
}

func newMemory() *memory {
	return &memory{runs: map[types.NamespacedName]*remembered{}, spaces: map[string]*space{}, turns: map[turn]types.UID{},
		deleted: map[types.NamespacedName][]types.UID{}}
}

func nameOf(run *v1alpha1.DeploymentRun) types.NamespacedName {
	return types.NamespacedName{Namespace: run.Namespace, Name: run.Name}
}

func turnOf(run *v1alpha1.DeploymentRun) turn {
	return turn{run.Namespace, run.Spec.Project, run.Spec.Environment}
}

// get returns the state of an active run, or nil.
func (m *memory) get(run *v1alpha1.DeploymentRun) *active {
	if run == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.known(run); known != nil {
		return known.active
	}
	return nil
}

// keepCreated stores what was created for a run. takeCreated returns it once.
func (m *memory) keepCreated(run *v1alpha1.DeploymentRun, c created) {
	m.change(run, func(known *remembered) { known.created = &c })
}

func (m *memory) takeCreated(run *v1alpha1.DeploymentRun) (c *created) {
	m.change(run, func(known *remembered) { c, known.created = known.created, nil })
	return c
}

// change changes what is known of a run.
func (m *memory) change(run *v1alpha1.DeploymentRun, change func(*remembered)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.of(run)
	change(known)
	m.place(known)
}

// of returns what is known of a run; it remembers the run if it does not yet. The lock is held.
func (m *memory) of(run *v1alpha1.DeploymentRun) *remembered {
	known := m.known(run)
	if known == nil {
		m.remove(nameOf(run))
		known = &remembered{name: nameOf(run), uid: run.UID, born: run.CreationTimestamp.Time, turn: turnOf(run)}
		m.runs[known.name] = known
	}
	return known
}

// pause returns how long to wait before the next pass of a run.
func (m *memory) pause(run *v1alpha1.DeploymentRun, now time.Time) time.Duration {
	l := m.get(run)
	if l == nil {
		return m.waits(run, now)
	}
	return min(pauseFactor*l.took, maxPause, time.Duration(len(l.ledger.Targets))*pauseEach) - now.Sub(l.passed)
}

// passed stores the end and the duration of a pass.
func (m *memory) passed(run *v1alpha1.DeploymentRun, begun, ended time.Time) {
	if l := m.get(run); l != nil {
		l.passed, l.took = ended, ended.Sub(begun)
	}
}

// store adds an active run, and gives it the turn of its project and environment.
func (m *memory) store(run *v1alpha1.DeploymentRun, a *active) {
	m.change(run, func(known *remembered) {
		known.active, known.begun, known.version, known.created = a, false, "", nil
		known.room, known.entering, known.recording = nil, false, false
		m.turns[known.turn] = known.uid
	})
}

// begin stores that actions of an active run were dispatched.
func (m *memory) begin(run *v1alpha1.DeploymentRun) {
	m.change(run, func(known *remembered) { known.begun = true })
}

// record stores whether a run waits until targets show the result of another.
func (m *memory) record(run *v1alpha1.DeploymentRun, waits bool) {
	m.change(run, func(known *remembered) { known.recording = waits })
}

// mayAnnounce reports whether to send an event about what a run waits for: once for each, and at most maxWaits in total. A
// true result counts as sent.
func (m *memory) mayAnnounce(run *v1alpha1.DeploymentRun, what string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.runs[nameOf(run)]
	if known == nil {
		known = m.of(run)
	}
	if known.uid != run.UID || len(known.announced) >= maxWaits || slices.Contains(known.announced, what) {
		return false
	}
	known.announced = append(known.announced, what)
	return true
}

// acquireTurn gives the turn of its project and environment to the run unless another unfinished run has it. It returns the
// UID of the run that has it.
func (m *memory) acquireTurn(run *v1alpha1.DeploymentRun, unfinished map[types.UID]bool) types.UID {
	m.mu.Lock()
	defer m.mu.Unlock()
	if holder, held := m.turns[turnOf(run)]; held && unfinished[holder] {
		return holder
	}
	if m.runs[nameOf(run)] == nil {
		m.of(run)
	}
	m.turns[turnOf(run)] = run.UID
	return run.UID
}

// drop removes the ledger and the status of a run; the next pass reads them from the API server.
func (m *memory) drop(run *v1alpha1.DeploymentRun) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.runs[nameOf(run)]; known != nil {
		known.active, known.version, known.created = nil, "", nil
		m.place(known)
	}
}

// releaseTurn lets another run of the project and environment proceed.
func (m *memory) releaseTurn(run *v1alpha1.DeploymentRun) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.turns[turnOf(run)] == run.UID {
		delete(m.turns, turnOf(run))
	}
}

// end removes a run that has ended. It reports whether the ledger had been dropped and not loaded again. This happens if
// another process ended the run; its actions are then still in the dispatcher.
func (m *memory) end(name types.NamespacedName) (dropped bool) {
	m.mu.Lock()
	known := m.runs[name]
	dropped = known != nil && known.active == nil
	m.mu.Unlock()
	m.forget(name, "")
	return dropped
}

// forget removes the run of that name, unless its UID is stays. It returns the UID of the removed run.
func (m *memory) forget(name types.NamespacedName, stays types.UID) (types.UID, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.runs[name]
	if known == nil || known.uid == stays {
		return "", false
	}
	m.remove(name)
	if m.turns[known.turn] == known.uid {
		delete(m.turns, known.turn)
	}
	return known.uid, true
}

// noteDeleted stores that a run was deleted.
func (m *memory) noteDeleted(name types.NamespacedName, uid types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deleted[name] = append(m.deleted[name], uid)
}

// hasDeleted reports whether a run of that name was deleted, for which something may still be kept.
func (m *memory) hasDeleted(name types.NamespacedName) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.deleted[name]) > 0
}

// takeDeleted returns and removes the runs of that name for which nothing must be kept any more: deleted runs, and the run in
// memory unless its UID is stays.
func (m *memory) takeDeleted(name types.NamespacedName, stays types.UID) []types.UID {
	before, found := m.forget(name, stays)
	m.mu.Lock()
	defer m.mu.Unlock()
	deleted := m.deleted[name]
	delete(m.deleted, name)
	if found && !slices.Contains(deleted, before) {
		deleted = append(deleted, before)
	}
	return deleted
}
