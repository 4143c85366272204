package dispatch

import "time"

// Stats counts actions: Waiting were not sent, Running have a script on their machine or may have one, and Ended have a
// result that is not written yet.
type Stats struct{ Waiting, Running, Ended int }

// Stats counts the actions.
func (d *Dispatcher) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	var s Stats
	for _, act := range d.actions {
		switch {
		case act.report.Ended():
			s.Ended++
		case act.report.Sent:
			s.Running++
		default:
			s.Waiting++
		}
	}
	return s
}

// sent calls Config.Sent for an action that its machine has accepted. A resumed action is not counted: it waited in an
// earlier process.
func (r *runner) sent() {
	if !r.Resume {
		r.config.Sent(time.Since(r.dispatched))
	}
}

// Backlog returns how many actions of a namespace have not reached their machine: those that wait for their turn, and those
// that are being prepared and sent.
func (d *Dispatcher) Backlog(namespace string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.limiter.backlog(namespace)
}

// Len returns the number of actions.
func (d *Dispatcher) Len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.actions)
}
