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
	// completeTries bounds how often in a row a machine is told in vain that a result is written.
	completeTries = 6
	// maxCompletions bounds the tickets that wait for one machine to be told. Of what is left out it sweeps by itself later.
	maxCompletions = 1024
	// completeTimeout bounds one call.
	completeTimeout = time.Minute
)

// Completion is a ticket whose result is written, so that the machine may forget it.
type Completion struct {
	Machine Machine
	// Owner is the run; see DropCompletions.
	Owner types.UID
	// Ticket is the action's, Known the one by which the machine knows the script if this process started it.
	Ticket, Known tentacle.ScriptTicket
	// Last is the number of the last entry that was read.
	Last int64
	// Due is when a machine without tombstones may be told, at the earliest.
	Due time.Time
	// Fence is asked before the machine is told; an error leaves it untold. It may be nil.
	Fence func() error
}

// Complete tells the machine in the background: at once if it keeps tombstones, else when it is due. The tickets of one
// machine go one after the other, so that a new leader with thousands of them holds one connection for each machine.
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

// DropCompletions leaves untold what the machines were still to be told of a run that is gone.
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

// completeOwn is Complete for a script whose ticket nobody else knows.
func (p *Pool) completeOwn(m Machine, c *Script) {
	p.Complete(Completion{Machine: m, Ticket: c.ticket, Known: c.ticket, Last: c.last})
}

// completeAll works on a machine's tickets until none is left, or until it is away for too long.
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

// errFenced says that another process leads, which completes what is to be.
var errFenced = errors.New("this process does not lead any more")

// complete tells the machine of one ticket, or says how long that has to wait.
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
		s.remember(func(at *endpoint) { at.facts = nil })
	}
	return 0, err
}

// answered tells whether asking again is of no use: it is done, or refused for good, or not this process's to do.
func answered(err error) bool {
	var server *halibut.ServerError
	return err == nil || errors.Is(err, errFenced) || errors.As(err, &server) && !server.Retryable()
}

// nextCompletion is the ticket whose turn it is: one that is due, else the first. If there is none, or none is to be
// tried, the queue ends.
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

// completed takes a ticket off the queue, unless that was done meanwhile.
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

// Completing tells how many tickets machines are still to be told of.
func (p *Pool) Completing() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, queue := range p.completing {
		n += len(queue)
	}
	return n
}
