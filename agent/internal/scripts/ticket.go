package scripts

import (
	"strings"
	"sync"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/policy"
	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/agent/internal/process/output"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// record is the command of a ticket: what was asked for, but the script and its files. It holds no
// password, and of secrets only what an operator puts into arguments.
type record struct {
	Version   int           `json:"version"`
	Ticket    string        `json:"ticket"` // as it was spelled first
	Operator  string        `json:"operator"`
	TaskID    string        `json:"taskId,omitempty"`
	Arrived   time.Time     `json:"arrived"`
	Mutex     string        `json:"mutex"`
	Exclusive bool          `json:"exclusive,omitempty"`
	Timeout   time.Duration `json:"timeout,omitempty"` // of the wait for the mutex, from Arrived; 0 = none
	Process   process.Spec  `json:"process"`
	SHA1      string        `json:"sha1,omitempty"`   // the operator's other thumbprint
	Call      *policy.Call  `json:"call,omitempty"`   // what the engine is called for; nil is a raw script
	Script    string        `json:"script,omitempty"` // digests, for the audit log
	Plan      string        `json:"plan,omitempty"`
}

// phase is where a ticket stands in memory; see doc.go.
type phase int

const (
	received phase = iota
	recorded       // and waiting for the mutex, or for the claim
	running
	finished
)

// ticket is one script that this Store knows.
type ticket struct {
	key      string // the ticket in lower case, with the mark of its operator; see owner.go
	dir      string // its journal
	record   record
	ready    chan struct{}       // closed when it is recorded, refused or failed
	poke     chan struct{}       // tells the ticket's goroutine that it was cancelled
	fresh    bool                // this daemon received it
	content  *process.Content    // of a step, until it is on the disk
	held     *process.Supervisor // launched while the ticket was being synced
	boot     string              // of its command (process.Spec)
	born     time.Time           // when this daemon knew of it first
	orphan   bool                // its journal cannot be read, so nobody knows whose it is
	newer    bool                // a newer version has it in hand: it is not touched; see newer.go
	occupied sync.Mutex          // held while a cancel or a completion is being made durable
	buried   bool                // its tombstone is written, and about to be synced; occupied is held for it

	// Why it was never recorded, to be read once ready is closed; failure where trying again may help.
	refusal *tentacle.ScriptStatusResponseV2
	failure error

	mu        sync.Mutex
	phase     phase
	result    *process.Result // when finished
	cancelled bool
	completed bool
	entered   bool          // its turn has come, and it was allowed to begin
	changed   chan struct{} // closed and made anew at every change
	reader    output.Reader // where the last status ended
}

func (s *Store) newTicket(key string, r record) *ticket {
	dir := s.journal(key)
	return &ticket{
		key: key, dir: dir, record: r, born: time.Now(),
		ready: make(chan struct{}), poke: make(chan struct{}, 1), changed: make(chan struct{}),
		reader: output.NewReader(dir, 0),
	}
}

// snapshot returns what a status is made of, and a channel that is closed when it is no longer true.
func (t *ticket) snapshot() (phase, *process.Result, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.phase, t.result, t.changed
}

// change alters the ticket and wakes all who wait for that.
func (t *ticket) change(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
	close(t.changed)
	t.changed = make(chan struct{})
}

func (t *ticket) isCancelled() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cancelled
}

func (t *ticket) isCompleted() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.completed
}

// isOver says whether it is completed and has ended, so that only its tombstone is left of it soon.
func (t *ticket) isOver() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.phase == finished && t.completed
}

// settle says that the ticket is recorded, or never will be.
func (t *ticket) settle() {
	close(t.ready)
	t.change(func() {})
}

// isGone says whether the ticket answers as one that is not known: it is completed, or was never recorded.
func (t *ticket) isGone() bool {
	select {
	case <-t.ready:
	default:
		return false
	}
	phase, _, _ := t.snapshot()
	return phase == received || t.isCompleted()
}

// exitCode is that of a finished ticket, nil of any other.
func (t *ticket) exitCode() *int32 {
	if _, result, _ := t.snapshot(); result != nil {
		return &result.ExitCode
	}
	return nil
}

// state is the phase as the wire tells it.
func (p phase) state() tentacle.ProcessState {
	switch p {
	case running:
		return tentacle.Running
	case finished:
		return tentacle.Complete
	default:
		return tentacle.Pending
	}
}

// ticketKey returns what a ticket is known by, the same whatever its case, and whether it is one.
func ticketKey(id string) (string, bool) {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
	if id == "" || len(id) > 100 || id == "." || id == ".." {
		return "", false
	}
	if strings.ContainsFunc(id, func(c rune) bool { return !strings.ContainsRune(letters, c) }) {
		return "", false
	}
	if otherwiseNamed(id) != "" { // a ticket names folders
		return "", false
	}
	return strings.ToLower(id), true
}

// find returns the ticket if it is known, belongs to operator or to nobody, and is not completed.
func (s *Store) find(operator, id string) *ticket {
	key, ok := ticketKey(id)
	if !ok {
		return nil
	}
	s.mu.Lock()
	t := s.owned(operator, key)
	s.mu.Unlock()
	if t == nil || t.isCompleted() {
		return nil
	}
	return t
}
