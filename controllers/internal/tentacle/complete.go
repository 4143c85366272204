package tentacle

import (
	"errors"
	"time"

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

// completion is a ticket whose result is written.
type completion struct {
	machine Machine
	// ticket is the action's, known the one by which the machine knows the script where this process started it.
	ticket, known tentacle.ScriptTicket
	last          int64
	// due is when a machine without tombstones may be told, at the earliest.
	due time.Time
}

// Complete tells the machine, in the background, that the ticket's result is written: at once where the machine keeps
// tombstones, else after Config.CompleteAfter. The tickets of one machine go one after the other, so that a new leader
// with thousands of them holds one connection for each machine.
func (p *Pool) Complete(m Machine, ticket string) {
	c := completion{machine: m, ticket: tentacle.ScriptTicket{TaskID: ticket}, due: time.Now().Add(p.config.CompleteAfter)}
	if act := p.find(ticket); act != nil {
		act.mu.Lock()
		c.known = act.machines
		act.mu.Unlock()
	}
	p.enqueue(c)
}

// completeNow is Complete for a script whose ticket nobody else knows.
func (p *Pool) completeNow(m Machine, known tentacle.ScriptTicket, last int64) {
	p.enqueue(completion{machine: m, ticket: known, known: known, last: last})
}

func (p *Pool) enqueue(c completion) {
	key := keyOf(c.machine)
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

// completeAll works on a machine's tickets until none is left, or until it is away for too long.
func (p *Pool) completeAll(key endpointKey) {
	failures, pause := 0, p.config.RetryPause
	for {
		next, found := p.nextCompletion(key, failures >= completeTries)
		if !found {
			return
		}
		wait, err := p.complete(next)
		switch {
		case wait > 0:
			if !p.sleep(p.ctx, wait) {
				return
			}
			continue
		case answered(err):
			p.completed(key)
			failures, pause = 0, p.config.RetryPause
			continue
		}
		failures++
		if !p.sleep(p.ctx, pause) {
			return
		}
		pause *= 2
	}
}

// complete tells the machine of one ticket, or says how long that has to wait.
func (p *Pool) complete(c completion) (wait time.Duration, err error) {
	s := p.session(c.machine)
	defer s.release()
	ctx, cancel := p.bounded(p.ctx, completeTimeout)
	defer cancel()
	facts, err := s.facts(ctx)
	if err != nil {
		return 0, err
	}
	if left := time.Until(c.due); !facts.Mantle() && left > 0 {
		return left, nil
	}
	on, err := s.scripts(ctx)
	if err != nil {
		return 0, err
	}
	switch {
	case on.finds():
		err = on.complete(ctx, c.ticket, c.last)
	case c.known.TaskID != "":
		err = on.complete(ctx, c.known, c.last)
	}
	if !answered(err) {
		s.forgetFacts()
	}
	return 0, err
}

// answered tells whether asking again is of no use: it is done, or refused for good.
func answered(err error) bool {
	var server *halibut.ServerError
	return err == nil || errors.As(err, &server) && !server.Retryable()
}

// nextCompletion is the ticket whose turn it is: one that is due, else the first. Where there is none, or none shall be
// tried, the queue ends.
func (p *Pool) nextCompletion(key endpointKey, giveUp bool) (completion, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	queue := p.completing[key]
	if len(queue) == 0 || giveUp {
		delete(p.completing, key)
		return completion{}, false
	}
	for i := range queue {
		if queue[i].due.IsZero() {
			queue[0], queue[i] = queue[i], queue[0]
			break
		}
	}
	return queue[0], true
}

// completed takes the first ticket off the queue.
func (p *Pool) completed(key endpointKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.completing[key] = p.completing[key][1:]
}
