package plan

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// flight is an action that is running.
type flight struct {
	m     *machine
	l     leaf
	order int
	row   Row
}

// lookAtRunning goes through what is in flight, by step and target: it lets go of targets that are no longer the
// run's, cancels what takes too long or shall not go on, and gives up what does not end.
func (p *pass) lookAtRunning() {
	for _, fl := range p.flights() {
		p.running++
		if fl.m.Availability == Deleted || fl.m.Availability == Changed {
			reason, message := fl.m.goneReason()
			message = fmt.Sprintf("%s while %s ran; what it does is no longer followed: %s", message, fl.l.path, Where(fl.m.Name, fl.row))
			p.end(fl.m, fl.l.path, v1alpha1.StepCancelled, reason, message)
			continue
		}
		p.watch(fl)
	}
}

func (p *pass) flights() []flight {
	order, leaves := map[string]int{}, []leaf{}
	for _, s := range p.steps {
		for _, l := range s.leaves {
			order[l.path] = len(leaves)
			leaves = append(leaves, l)
		}
	}
	var all []flight
	for k, row := range p.f.Rows {
		m := p.byName[k.Target]
		at, known := order[k.Step]
		if m == nil || !known || row.Phase != v1alpha1.StepRunning {
			continue
		}
		all = append(all, flight{m: m, l: leaves[at], order: at, row: row})
	}
	slices.SortFunc(all, func(a, b flight) int {
		return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.m.Name, b.m.Name))
	})
	return all
}

// watch holds one running action to its deadlines.
func (p *pass) watch(fl flight) {
	due, why := p.dueToEnd(fl)
	if p.f.Now.Before(due) {
		p.wake(due.Sub(p.f.Now))
		return
	}
	if !fl.row.CancelSent {
		p.d.Cancel = append(p.d.Cancel, Key{Target: fl.m.Name, Step: fl.l.path})
		p.note("%s %s is cancelled: %s", fl.m.Name, fl.l.path, why)
		p.wake(p.f.CancelDeadline)
		return
	}
	since := fl.row.CancelTime
	if since.IsZero() {
		since = due
	}
	if end := since.Add(p.f.CancelDeadline); p.f.Now.Before(end) {
		p.wake(end.Sub(p.f.Now))
		return
	}
	if fl.m.Availability == Unavailable || fl.m.Availability == Untrusted {
		p.end(fl.m, fl.l.path, v1alpha1.StepLost, v1alpha1.ReasonLost,
			fmt.Sprintf("%s; the machine stays away, and nobody can tell how it ended: %s", why, Where(fl.m.Name, fl.row)))
		return
	}
	p.end(fl.m, fl.l.path, v1alpha1.StepAbandoned, v1alpha1.ReasonAbandoned,
		fmt.Sprintf("%s, and it did not end within %s of being cancelled: %s", why, p.f.CancelDeadline, Where(fl.m.Name, fl.row)))
}

// dueToEnd is when an action shall be cancelled, and why.
func (p *pass) dueToEnd(fl flight) (time.Time, string) {
	timeout := fl.l.timeout
	due, why := fl.row.Begun.Add(timeout+cancelGrace), fmt.Sprintf("it took longer than %s", timeout)
	if fl.row.Begun.IsZero() {
		start := fl.row.StartTime
		if start.IsZero() {
			start = p.f.Now
		}
		due, why = start.Add(2*timeout+cancelGrace), fmt.Sprintf("it was not seen to begin and end within twice %s", timeout)
	}
	if p.f.Stop == Cancel && p.f.StopSince.Before(due) {
		return p.f.StopSince, "the run was cancelled"
	}
	return due, why
}

// Where names the machine and the process, for a person who has to look there.
func Where(target string, row Row) string {
	host := target
	if row.Host != "" {
		host = fmt.Sprintf("%s (%s)", target, row.Host)
	}
	if row.Pid > 0 {
		return fmt.Sprintf("process %d on %s", row.Pid, host)
	}
	return host
}

func (m *machine) goneReason() (reason, message string) {
	if m.Availability == Deleted {
		return v1alpha1.ReasonTargetDeleted, "the target was deleted, or made again"
	}
	return v1alpha1.ReasonTargetChanged, "the target was given another thumbprint"
}
