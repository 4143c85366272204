package session

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

const (
	// completeTries bounds how many CompleteScript in a row may fail before a machine's queue is dropped.
	completeTries = 6
	// maxCompletions bounds the queue of one machine. The machine deletes by itself, later, the tickets that do not fit.
	maxCompletions = 1024
	// completeTimeout bounds one call.
	completeTimeout = time.Minute
)

// Completion is a ticket whose result is written, so that the machine can forget it.
type Completion struct {
	Machine Machine
	// Owner is the run; see DropCompletions.
	Owner types.UID
	// Ticket is the action's ticket, Known the one under which the machine has the script if this process started it.
	Ticket, Known tentacle.ScriptTicket
	// Last is the number of the last log entry that was read.
	Last int64
	// Due is the earliest time at which the ticket can be completed on a machine without tombstones.
	Due time.Time
	// Fence is called before CompleteScript; if it returns an error, nothing is sent. It may be nil.
	Fence func() error
}

// Complete sends CompleteScript in the background: at once if the machine keeps tombstones, else when it is due. The
// tickets of one machine are completed one after the other, so that a new leader with thousands of them needs one
// connection for each machine.
func (p *Pool) Complete(c Completion) {
	key := keyOf(c.Machine)
	p.mu.Lock()
	queue, going := p.completing[key]
	if len(queue) < maxCompletions && !p.stopped {
		p.completing[key] = append(queue, c)
	}
	p.mu.Unlock()
	if !going {
		p.spawn(func() { p.completeAll(key) })
	}
}

// DropCompletions removes the queued completions of a deleted run.
func (p *Pool) DropCompletions(owner types.UID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, queue := range p.completing {
		var kept []Completion
		for _, c := range queue {
			if c.Owner != owner {
				kept = append(kept, c)
			}
		}
		p.completing[key] = kept
	}
}

// completeOwn is Complete for a script that the session package started itself.
func (p *Pool) completeOwn(m Machine, c *Script) {
	p.Complete(Completion{Machine: m, Ticket: c.ticket, Known: c.ticket, Last: c.last})
}

// completeAll completes a machine's tickets until none is left, or until too many calls in a row have failed.
func (p *Pool) completeAll(key endpointKey) {
	again, failures := Doubling(p.config.RetryPause, time.Minute), 0
	for {
		next, found := p.nextCompletion(key, failures >= completeTries)
		if !found {
			return
		}
		rest, err := p.complete(next)
		switch {
		case err == nil && rest > 0:
		case answered(err):
			p.completed(key, next)
			again, failures = Doubling(p.config.RetryPause, time.Minute), 0
			continue
		default:
			failures++
			rest = again.Step()
		}
		if !pause(p.ctx, rest) {
			return
		}
	}
}

// errFenced says that another process is the leader; it completes the tickets.
var errFenced = errors.New("this process is no longer the leader")

// complete completes one ticket, or returns how long that has to wait.
func (p *Pool) complete(c Completion) (rest time.Duration, err error) {
	s := p.Open(c.Machine)
	defer s.Close()
	ctx, cancel := context.WithTimeout(p.ctx, completeTimeout)
	defer cancel()
	facts, err := s.Facts(ctx)
	if err != nil {
		return 0, err
	}
	if left := time.Until(c.Due); !facts.Mantle() && left > 0 {
		return left, nil
	}
	if c.Fence != nil && c.Fence() != nil {
		return 0, errFenced
	}
	on := s.scriptsOf(facts)
	switch {
	case on.finds():
		err = on.complete(ctx, c.Ticket, c.Last)
	case c.Known.TaskID != "":
		err = on.complete(ctx, c.Known, c.Last)
	}
	if !answered(err) {
		s.setFacts(nil)
	}
	return 0, err
}

// answered reports whether the call must not be repeated: it succeeded, was refused for good, or is not this process's to
// make.
func answered(err error) bool {
	var server *halibut.ServerError
	return err == nil || errors.Is(err, errFenced) || errors.As(err, &server) && !server.Retryable()
}

// nextCompletion returns the next ticket: one without a due time, else the first. If there is none, or giveUp is set, the
// queue is deleted.
func (p *Pool) nextCompletion(key endpointKey, giveUp bool) (Completion, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	queue := p.completing[key]
	if len(queue) == 0 || giveUp {
		delete(p.completing, key)
		return Completion{}, false
	}
	for i := range queue {
		if queue[i].Due.IsZero() {
			queue[0], queue[i] = queue[i], queue[0]
			break
		}
	}
	return queue[0], true
}

// completed removes a ticket from the queue, if it is still there.
func (p *Pool) completed(key endpointKey, c Completion) {
	p.mu.Lock()
	defer p.mu.Unlock()
	queue := p.completing[key]
	for i := range queue {
		if queue[i].Ticket == c.Ticket {
			p.completing[key] = append(queue[:i:i], queue[i+1:]...)
			return
		}
	}
}

// Completing returns the number of queued completions.
func (p *Pool) Completing() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, queue := range p.completing {
		n += len(queue)
	}
	return n
}
