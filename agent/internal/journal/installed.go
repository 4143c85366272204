package journal

import (
	"cmp"
	"slices"

	"github.com/mantledeploy/mantle/api/step"
)

// state is what the rows of the newest run of one project in one environment say.
type state struct {
	seen   map[string]bool // the runs that were seen, by UID
	newest Row             // the newest run's last row
	order  int
	failed bool
	final  bool
	open   map[string]bool // tickets that began and have not ended
}

// Installed tells, for each namespace, environment and project, what its newest run left: Succeeded when
// a row that is marked final ended well and none failed or is without its end, else Incomplete. Newest
// first, at most step.MaxInstalled. Rows of other operators are left out, unless operator is empty.
func (j *Journal) Installed(operator string) ([]step.Installed, error) {
	states := map[[3]string]*state{}
	n := 0
	err := j.each(func(row Row) {
		n++
		if operator != "" && row.Operator != "" && row.Operator != operator {
			return
		}
		key := [3]string{row.Namespace, row.Environment, row.Project}
		s := states[key]
		if s == nil {
			s = &state{seen: map[string]bool{}}
			states[key] = s
		}
		s.take(row, n)
	})
	if err != nil {
		return nil, err
	}
	all := make([]*state, 0, len(states))
	for _, s := range states {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *state) int { return cmp.Compare(b.order, a.order) })
	installed := make([]step.Installed, 0, len(all))
	for _, s := range all[:min(len(all), step.MaxInstalled)] {
		installed = append(installed, s.installed())
	}
	return installed, nil
}

func (s *state) take(row Row, n int) {
	if row.RunUID != s.newest.RunUID {
		if s.seen[row.RunUID] {
			return // A late end of an older run says nothing of the newest.
		}
		s.seen[row.RunUID] = true
		s.failed, s.final, s.open = false, false, map[string]bool{}
	}
	s.newest, s.order = row, n
	switch row.Phase {
	case Started:
		s.open[row.Ticket] = true
	case Succeeded:
		delete(s.open, row.Ticket)
		s.final = s.final || row.Final
	default:
		delete(s.open, row.Ticket)
		s.failed = true
	}
}

func (s *state) installed() step.Installed {
	phase := step.Incomplete
	if s.final && !s.failed && len(s.open) == 0 {
		phase = step.Succeeded
	}
	r := s.newest
	return step.Installed{Namespace: r.Namespace, Environment: r.Environment, Project: r.Project, Release: r.Release,
		Snapshot: r.Snapshot, Run: r.Run, RunUID: r.RunUID, Phase: phase, Time: r.Time}
}
