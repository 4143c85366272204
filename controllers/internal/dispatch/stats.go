package dispatch

import "time"

// Stats tells how many actions there are: Waiting are those that were not sent, Running those whose machine has the script
// or may have it, and Ended those whose result is not written yet.
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

// sent notes that a machine has taken an action that this process dispatched. An action that was sent before, by an earlier
// process perhaps, did not wait here.
func (r *runner) sent() {
	if !r.Resume {
		r.config.Sent(time.Since(r.dispatched))
	}
}
