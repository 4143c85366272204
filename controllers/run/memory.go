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

// live is a run that this process carries on.
type live struct {
	ledger *ledger.Ledger
	inputs *compose.Run
	// saved is when the status of the run was last written.
	saved time.Time
	// passed is when the last pass ended, and took how long that was.
	passed time.Time
	took   time.Duration
}

// The passes of one run take at most a quarter of a worker's time, and none waits for longer than maxRest, and than
// restEach for each target: what is reported meanwhile is taken in together. Most of a pass over few targets is a wait for
// the API server, so a small run goes on at once.
const (
	restFor  = 3
	maxRest  = 500 * time.Millisecond
	restEach = 5 * time.Millisecond
)

// memory is all that the reconciler keeps between passes. It is lost with the process, and made anew from the API server.
type memory struct {
	mu sync.Mutex
	// runs are those that were seen and are not forgotten, by name: of a run that is made again under the name, the
	// former one is forgotten.
	runs map[types.NamespacedName]*remembered
	// turns are the runs that hold a project in an environment.
	turns map[turn]types.UID
	// gone are runs that were deleted and for which something may be kept still.
	gone map[types.NamespacedName][]types.UID
}

type remembered struct {
	uid  types.UID
	turn turn
	live *live
	// told are the waits that an event told of.
	told []string
}

// turn names what one run at a time may hold.
type turn struct {
	namespace            string
	project, environment v1alpha1.ObjectName
}

func newMemory() *memory {
	return &memory{runs: map[types.NamespacedName]*remembered{}, turns: map[turn]types.UID{},
		gone: map[types.NamespacedName][]types.UID{}}
}

func nameOf(run *v1alpha1.DeploymentRun) types.NamespacedName {
	return types.NamespacedName{Namespace: run.Namespace, Name: run.Name}
}

func turnOf(run *v1alpha1.DeploymentRun) turn {
	return turn{run.Namespace, run.Spec.Project, run.Spec.Environment}
}

// of gives what is known of a run; nil if nothing is.
func (m *memory) of(run *v1alpha1.DeploymentRun) *live {
	if run == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.runs[nameOf(run)]; known != nil && known.uid == run.UID {
		return known.live
	}
	return nil
}

// rest is how long the next pass of a run is put off.
func (m *memory) rest(run *v1alpha1.DeploymentRun, now time.Time) time.Duration {
	l := m.of(run)
	if l == nil {
		return 0
	}
	return min(restFor*l.took, maxRest, time.Duration(len(l.ledger.Targets))*restEach) - now.Sub(l.passed)
}

// passed notes how long a pass took.
func (m *memory) passed(run *v1alpha1.DeploymentRun, begun, ended time.Time) {
	if l := m.of(run); l != nil {
		l.passed, l.took = ended, ended.Sub(begun)
	}
}

// keep remembers a run. It holds its project in its environment from now on.
func (m *memory) keep(run *v1alpha1.DeploymentRun, l *live) {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := &remembered{uid: run.UID, turn: turnOf(run), live: l}
	if known := m.runs[nameOf(run)]; known != nil && known.uid == run.UID {
		kept.told = known.told
	}
	m.runs[nameOf(run)] = kept
	m.turns[turnOf(run)] = run.UID
}

// mayTell tells whether an event may say what a run waits for: each once, and few in all.
func (m *memory) mayTell(run *v1alpha1.DeploymentRun, what string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.runs[nameOf(run)]
	if known == nil {
		known = &remembered{uid: run.UID, turn: turnOf(run)}
		m.runs[nameOf(run)] = known
	}
	if known.uid != run.UID || len(known.told) >= maxWaits || slices.Contains(known.told, what) {
		return false
	}
	known.told = append(known.told, what)
	return true
}

// take gives the project in the environment to the run unless another unfinished run holds it, and answers who does.
func (m *memory) take(run *v1alpha1.DeploymentRun, unfinished map[types.UID]bool) types.UID {
	m.mu.Lock()
	defer m.mu.Unlock()
	if holder, held := m.turns[turnOf(run)]; held && unfinished[holder] {
		return holder
	}
	if m.runs[nameOf(run)] == nil {
		m.runs[nameOf(run)] = &remembered{uid: run.UID, turn: turnOf(run)}
	}
	m.turns[turnOf(run)] = run.UID
	return run.UID
}

// drop forgets the ledger of a run; the next pass loads it again.
func (m *memory) drop(run *v1alpha1.DeploymentRun) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.runs[nameOf(run)]; known != nil {
		known.live = nil
	}
}

// giveBack lets other runs of the project in the environment go first.
func (m *memory) giveBack(run *v1alpha1.DeploymentRun) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.turns[turnOf(run)] == run.UID {
		delete(m.turns, turnOf(run))
	}
}

// end forgets a run that has ended. It answers true if its ledger was dropped and not loaded again, as another process
// ended the run: then nobody has let go of its actions.
func (m *memory) end(name types.NamespacedName) (dropped bool) {
	m.mu.Lock()
	known := m.runs[name]
	dropped = known != nil && known.live == nil
	m.mu.Unlock()
	m.forget(name, "")
	return dropped
}

// forget forgets all of the run of a name, unless it is the one that stays, and answers which one that was.
func (m *memory) forget(name types.NamespacedName, stays types.UID) (types.UID, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.runs[name]
	if known == nil || known.uid == stays {
		return "", false
	}
	delete(m.runs, name)
	if m.turns[known.turn] == known.uid {
		delete(m.turns, known.turn)
	}
	return known.uid, true
}

// concerned are the runs in memory that have a target of this name.
func (m *memory) concerned(namespace, target string) []types.NamespacedName {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []types.NamespacedName
	for name, known := range m.runs {
		if name.Namespace == namespace && known.live != nil && known.live.ledger.Has(target) {
			names = append(names, name)
		}
	}
	return names
}

// vanished notes that a run is gone.
func (m *memory) vanished(name types.NamespacedName, uid types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gone[name] = append(m.gone[name], uid)
}

// hasGone tells whether a run of the name is gone for which something may be kept still.
func (m *memory) hasGone(name types.NamespacedName) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.gone[name]) > 0
}

// forgotten gives the runs of a name for which nothing must be kept any more, and forgets them: those that are gone, and
// the one that had the name before the one that stays.
func (m *memory) forgotten(name types.NamespacedName, stays types.UID) []types.UID {
	before, found := m.forget(name, stays)
	m.mu.Lock()
	defer m.mu.Unlock()
	gone := m.gone[name]
	delete(m.gone, name)
	if found && !slices.Contains(gone, before) {
		gone = append(gone, before)
	}
	return gone
}
