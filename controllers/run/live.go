package run

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/plan"
	"github.com/mantledeploy/mantle/controllers/internal/snapshot"
)

// live is the memory of a run that goes on: its rows, written through to the slices.
type live struct {
	process *v1alpha1.ProjectSpec
	leaves  map[string]v1alpha1.Leaf
	slices  []*v1alpha1.DeploymentRunSlice
	targets map[string]place
	rows    map[plan.Key]*row
	// outputs by target, each as "<step>.<name>".
	outputs map[string]map[string]string
	// packages of the release, nil where this process has not seen them.
	packages []v1alpha1.ResolvedPackage
	// held are the actions that cannot begin, and since when.
	held map[plan.Key]time.Time
	// dirty are the slices whose rows changed since they were written.
	dirty   map[int]bool
	flushed time.Time
	// stopSince is when a wish to end early was first seen.
	stopSince time.Time
	// concluded is when the run first had an outcome.
	concluded time.Time
}

// place says where a target's rows are.
type place struct {
	slice int
	v1alpha1.SliceTarget
}

// row is one action.
type row struct {
	plan.Row
	seconds string
	log     *v1alpha1.ActionLog
	// stored is true while the slice says what is here: only then may a machine be told of it.
	stored bool
	// sent is true once this process has handed it to the sessions.
	sent bool
	// completed is true once the machine was told that the result is written.
	completed bool
}

func (l *live) ticket(run *v1alpha1.DeploymentRun, k plan.Key) string {
	return step.Ticket(string(run.UID), k.Step, string(l.targets[k.Target].UID), int(l.rows[k].Attempt))
}

func (l *live) touch(k plan.Key) *row {
	r := l.rows[k]
	if r == nil {
		r = &row{}
		l.rows[k] = r
	}
	r.stored = false
	l.dirty[l.targets[k.Target].slice] = true
	return r
}

// lives are the runs that this process carries out, and which of them holds a project in an environment.
type lives struct {
	mu     sync.Mutex
	runs   map[types.UID]*live
	claims map[claimKey]types.UID
}

type claimKey struct {
	namespace            string
	project, environment v1alpha1.ObjectName
}

func newLives() *lives {
	return &lives{runs: map[types.UID]*live{}, claims: map[claimKey]types.UID{}}
}

func keyOf(run *v1alpha1.DeploymentRun) claimKey {
	return claimKey{run.Namespace, run.Spec.Project, run.Spec.Environment}
}

// claim answers who holds the project in the environment, after the run has tried to. A claim holds while its run is
// among the unfinished: a run may vanish without a word.
func (ls *lives) claim(run *v1alpha1.DeploymentRun, unfinished map[types.UID]bool) types.UID {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if holder, held := ls.claims[keyOf(run)]; held && unfinished[holder] {
		return holder
	}
	ls.claims[keyOf(run)] = run.UID
	return run.UID
}

// release gives the claim back and forgets the run.
func (ls *lives) release(run *v1alpha1.DeploymentRun) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	delete(ls.runs, run.UID)
	if ls.claims[keyOf(run)] == run.UID {
		delete(ls.claims, keyOf(run))
	}
}

// drop forgets the run's rows; the next pass reads them again.
func (ls *lives) drop(uid types.UID) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	delete(ls.runs, uid)
}

func (ls *lives) get(uid types.UID) *live {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.runs[uid]
}

func (ls *lives) put(run *v1alpha1.DeploymentRun, l *live) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.runs[run.UID] = l
	ls.claims[keyOf(run)] = run.UID
}

// take gives the run's memory, read past the cache where this process has none: what another leader wrote counts.
func (r *Reconciler) take(ctx context.Context, f facts) (*live, error) {
	if l := r.lives.get(f.Run.UID); l != nil {
		return l, nil
	}
	process, err := snapshot.ReadNamed(ctx, r.Reader, f.Run.Namespace, f.Run.Status.Snapshot)
	if err != nil {
		return nil, err
	}
	l := &live{process: process, leaves: map[string]v1alpha1.Leaf{}, targets: map[string]place{}, rows: map[plan.Key]*row{},
		outputs: map[string]map[string]string{}, dirty: map[int]bool{}, held: map[plan.Key]time.Time{}}
	for _, leaf := range v1alpha1.Leaves(process.Steps) {
		l.leaves[leaf.Path] = leaf
	}
	for i := range int(f.Run.Status.Slices) {
		var s v1alpha1.DeploymentRunSlice
		key := types.NamespacedName{Namespace: f.Run.Namespace, Name: sliceName(f.Run, i)}
		if err := r.Reader.Get(ctx, key, &s); err != nil {
			if client.IgnoreNotFound(err) == nil && !f.Run.DeletionTimestamp.IsZero() {
				continue // a terminating namespace takes the slices first
			}
			return nil, fmt.Errorf("reading slice %s: %w", key.Name, err)
		}
		l.load(&s)
	}
	r.missLogs(f.Run, l)
	r.lives.put(f.Run, l)
	return l, nil
}

// load takes up the rows of a slice as they were written.
func (l *live) load(s *v1alpha1.DeploymentRunSlice) {
	index := len(l.slices)
	l.slices = append(l.slices, s)
	for _, t := range s.Spec.Targets {
		l.targets[t.Name] = place{slice: index, SliceTarget: t}
	}
	for _, result := range s.Status.Results {
		if len(result.Outputs) > 0 {
			l.outputs[result.Target] = result.Outputs
		}
		for _, a := range result.Steps {
			l.rows[plan.Key{Target: result.Target, Step: a.Name}] = loaded(a)
		}
	}
}

// missLogs says of output that another operator kept, and this one does not have, that it is gone.
func (r *Reconciler) missLogs(run *v1alpha1.DeploymentRun, l *live) {
	for k, row := range l.rows {
		if row.log == nil || row.log.Size == 0 || row.log.Reason != "" {
			continue
		}
		if !r.Logs.Kept(run.Namespace, run.Name, k.Target, k.Step, row.Attempt) {
			row.log = &v1alpha1.ActionLog{Size: row.log.Size, Reason: v1alpha1.ReasonLogUnavailable}
			l.dirty[l.targets[k.Target].slice] = true
		}
	}
}

func loaded(a v1alpha1.ActionStatus) *row {
	r := &row{stored: true, seconds: a.Seconds, log: a.Log, Row: plan.Row{Phase: a.Phase, Attempt: a.Attempt, Reason: a.Reason, Message: a.Message, ExitCode: a.ExitCode}}
	if a.StartTime != nil {
		r.StartTime = a.StartTime.Time
	}
	if took, err := time.ParseDuration(a.Seconds + "s"); err == nil && a.Phase.IsTerminal() {
		r.EndTime = r.StartTime.Add(took)
	}
	return r
}
