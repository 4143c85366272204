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
	ticket  string
}

// Complete tells the machine, in the background, that the ticket's result is written. The tickets of one machine go one
// after the other, so that a new leader with thousands of them holds one connection for each machine.
func (p *Pool) Complete(m Machine, ticket string) {
	key := keyOf(m)
	p.mu.Lock()
	queue, going := p.completing[key]
	if len(queue) < maxCompletions && !p.stopped {
		p.completing[key] = append(queue, completion{m, ticket})
	}
	p.mu.Unlock()
	if !going {
		p.spawn(func() { p.completeAll(key, m) })
	}
}

// completeAll works on a machine's tickets until none is left, or until it is away for too long.
func (p *Pool) completeAll(key endpointKey, m Machine) {
	s := p.session(m)
	defer s.release()
	failures, pause := 0, p.config.RetryPause
	for {
		next, found := p.nextCompletion(key, failures >= completeTries)
		if !found {
			return
		}
		ctx, cancel := p.bounded(p.ctx, completeTimeout)
		err := s.CompleteScript(ctx, tentacle.CompleteScriptCommandV2{Ticket: tentacle.ScriptTicket{TaskID: next.ticket}})
		cancel()
		if answered(err) {
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

// answered tells whether asking again is of no use: it is done, or refused for good.
func answered(err error) bool {
	var server *halibut.ServerError
	return err == nil || errors.As(err, &server) && !server.Retryable()
}

// nextCompletion is the ticket whose turn it is. Where there is none, or none shall be tried, the queue ends.
func (p *Pool) nextCompletion(key endpointKey, giveUp bool) (completion, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if queue := p.completing[key]; len(queue) > 0 && !giveUp {
		return queue[0], true
	}
	delete(p.completing, key)
	return completion{}, false
}

// completed takes the first ticket off the queue.
func (p *Pool) completed(key endpointKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.completing[key] = p.completing[key][1:]
}
