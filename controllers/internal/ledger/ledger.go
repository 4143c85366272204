package ledger

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// Key identifies an action by the index of its target in Ledger.Targets and of its step in Ledger.Leaves.
type Key struct{ Target, Leaf int }

// Ledger is the state of an unfinished run. It must be used by one reconcile at a time; only Outputs and Has are safe for
// concurrent use.
type Ledger struct {
	// Namespace, Name and UID of the run.
	Namespace, Name string
	UID             types.UID
	// Process is the frozen process, and Leaves its actions in order. They must not be changed.
	Process *v1alpha1.ProjectSpec
	Leaves  []v1alpha1.Leaf
	// Targets are the fixed set, by name.
	Targets []v1alpha1.SliceTarget
	// Attempts by target and leaf; nil if there is no row. Change them only with Begin, Update and End.
	Attempts [][]*Attempt
	// Outputs of the steps.
	Outputs *Outputs
	// Status of the run as it was last written or read. The next write is compared with it, because a cache may be old.
	Status v1alpha1.DeploymentRunStatus
	// Missing names the slices that the run's status counts and that do not exist.
	Missing []string
	// StopSince is when this process first saw that the run must end early, and Over when it first found the run to be over;
	// zero before that.
	StopSince, Over time.Time
	// Written is called for each write of a slice, by several goroutines at once. It may be nil.
	Written func(took time.Duration, bytes int, err error)

	slices  []*v1alpha1.DeploymentRunSlice
	sliceOf []int          // by target
	room    []int          // for outputs, by slice, in bytes
	names   map[string]int // of the targets
	tickets map[string]Key
	dirty   map[int]bool
	reached map[int]bool // by target
	written time.Time
}

// Ticket returns the ticket of the newest attempt of an action.
func (l *Ledger) Ticket(k Key) string {
	return step.Ticket(string(l.UID), l.Leaves[k.Leaf].Path, string(l.Targets[k.Target].UID), int(l.At(k).Number))
}

// Find returns the action with a ticket. The ticket must be that of the action's newest attempt.
func (l *Ledger) Find(ticket string) (Key, bool) {
	k, found := l.tickets[ticket]
	return k, found
}

// At returns the newest attempt of an action; nil if there is none.
func (l *Ledger) At(k Key) *Attempt { return l.Attempts[k.Target][k.Leaf] }

// All calls f for every attempt, by target and leaf.
func (l *Ledger) All(f func(Key, *Attempt)) {
	for t := range l.Attempts {
		for i, a := range l.Attempts[t] {
			if a != nil {
				f(Key{t, i}, a)
			}
		}
	}
}

// Has reports whether a target of this name is in the fixed set. It is safe for concurrent use.
func (l *Ledger) Has(target string) bool {
	_, found := l.names[target]
	return found
}

// Resume sets SentTime of the attempts that an earlier process sent: the real time is not known.
func (l *Ledger) Resume(now time.Time) {
	l.All(func(_ Key, a *Attempt) {
		if a.Running() && a.Sent && a.SentTime.IsZero() {
			a.SentTime = now
		}
	})
}

// SetLogLost records that the output of an attempt no longer exists.
func (l *Ledger) SetLogLost(k Key) {
	a := l.At(k)
	a.Log = &v1alpha1.ActionLog{Size: a.Log.Size, Reason: v1alpha1.ReasonLogUnavailable}
	l.markChanged(k)
}

// Sent reports whether any other action than the given one was sent to its target in this run.
func (l *Ledger) Sent(k Key) bool {
	for i, a := range l.Attempts[k.Target] {
		if i != k.Leaf && a != nil && a.Sent {
			return true
		}
	}
	return false
}

// Begin adds an attempt as Planned. The next Store writes it as Running; then it can be dispatched.
func (l *Ledger) Begin(k Key, number int32, now time.Time, host string) {
	if l.At(k) != nil {
		delete(l.tickets, l.Ticket(k))
	}
	l.Attempts[k.Target][k.Leaf] = &Attempt{Number: number, Phase: v1alpha1.StepRunning, StartTime: now, Host: host}
	l.tickets[l.Ticket(k)] = k
	delete(l.reached, k.Target)
	l.markChanged(k)
}

// Try plans to connect to a machine that is believed to be unreachable. Nothing is sent, so no row is written: a new leader
// would follow what may have been sent to a machine that does not answer.
func (l *Ledger) Try(k Key, number int32, now time.Time, host string) {
	before := l.At(k)
	if before != nil {
		delete(l.tickets, l.Ticket(k))
	}
	l.Attempts[k.Target][k.Leaf] = &Attempt{Number: number, Phase: v1alpha1.StepRunning, StartTime: now, Host: host, away: true, before: before}
	l.tickets[l.Ticket(k)] = k
}

// Withdraw removes an attempt of which nothing was sent, as its machine can be reached: the action has not begun.
func (l *Ledger) Withdraw(k Key) {
	a := l.At(k)
	delete(l.tickets, l.Ticket(k))
	if l.Attempts[k.Target][k.Leaf] = a.before; a.before != nil {
		l.tickets[l.Ticket(k)] = k
	}
	l.reached[k.Target] = true
	if !a.away {
		l.markChanged(k)
	}
}

// Reached reports whether the target could be connected to, and no action was begun on it since.
func (l *Ledger) Reached(target int) bool { return l.reached[target] }

// Update changes an attempt that has not ended. The next Store writes what changed in its row.
func (l *Ledger) Update(k Key, change func(*Attempt)) {
	a := l.At(k)
	before := *a
	change(a)
	a.Reason = oneWord(a.Reason)
	if a.row() == nil {
		return
	}
	if before.Sent != a.Sent || before.Reason != a.Reason || before.Message != a.Message {
		l.markChanged(k)
	}
}

// End records how an action ended, also if it has no attempt. An attempt that has ended cannot be changed.
func (l *Ledger) End(k Key, now time.Time, change func(*Attempt)) error {
	a := l.At(k)
	if a == nil {
		a = &Attempt{}
		l.Attempts[k.Target][k.Leaf] = a
	}
	if err := a.move(Ended); err != nil {
		return err
	}
	a.EndTime = now
	change(a)
	a.Reason = oneWord(a.Reason)
	l.markChanged(k)
	return nil
}

// Trying records that the attempt was handed to the dispatcher to connect to its machine.
func (l *Ledger) Trying(k Key) error { return l.At(k).move(Trying) }

// Dispatched records that the attempt was handed to the dispatcher.
func (l *Ledger) Dispatched(k Key) error { return l.At(k).move(Dispatched) }

// Acknowledged records that the machine was told that the result is written, or cannot be told.
func (l *Ledger) Acknowledged(k Key) error {
	if err := l.At(k).move(Acknowledged); err != nil {
		return err
	}
	delete(l.tickets, l.Ticket(k))
	return nil
}

func (l *Ledger) markChanged(k Key) { l.dirty[l.sliceOf[k.Target]] = true }

// New returns the ledger of a run with its slices, in order. Rows of targets or steps that the run does not have are
// ignored, and so are further rows of the same action.
func New(run *v1alpha1.DeploymentRun, process *v1alpha1.ProjectSpec, parts []*v1alpha1.DeploymentRunSlice) *Ledger {
	l := &Ledger{Namespace: run.Namespace, Name: run.Name, UID: run.UID, Process: process, Leaves: v1alpha1.Leaves(process.Steps),
		Status: *run.Status.DeepCopy(), slices: parts, Outputs: newOutputs(), names: map[string]int{}, tickets: map[string]Key{}, dirty: map[int]bool{}, reached: map[int]bool{}}
	for i, part := range parts {
		l.room = append(l.room, outputsRoom(part, l.Leaves))
		for _, t := range part.Spec.Targets {
			l.Targets = append(l.Targets, t)
			l.sliceOf = append(l.sliceOf, i)
		}
	}
	l.Attempts = make([][]*Attempt, len(l.Targets))
	for t := range l.Attempts {
		l.Attempts[t] = make([]*Attempt, len(l.Leaves))
	}
	leaves := map[string]int{}
	for i, t := range l.Targets {
		l.names[t.Name] = i
	}
	for i, leaf := range l.Leaves {
		leaves[leaf.Path] = i
	}
	for _, part := range parts {
		for _, result := range part.Status.Results {
			if t, known := l.names[result.Target]; known {
				l.load(t, leaves, result)
			}
		}
	}
	return l
}

// load reads the rows of one target.
func (l *Ledger) load(t int, leaves map[string]int, result v1alpha1.TargetResult) {
	l.Outputs.load(result.Target, result.Outputs, result.OutputsCut)
	for _, row := range result.Steps {
		i, known := leaves[row.Name]
		if !known || l.Attempts[t][i] != nil {
			continue
		}
		k := Key{t, i}
		l.Attempts[t][i] = fromRow(row)
		l.tickets[l.Ticket(k)] = k
	}
}

// SliceName returns the name of the run's n-th slice, from 0.
func SliceName(run string, n int) string { return fmt.Sprintf("%s-%03d", run, n) }
