package plan

import (
	"cmp"
	"slices"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

const (
	maxFailures = 20   // of v1alpha1.DeploymentRunStatus
	maxMessage  = 2048 // of v1alpha1.RunFailure
)

// failedRow is a row with its place.
type failedRow struct {
	Key
	row   Row
	order int
}

// rowsWhere gives the rows that match, in the order in which they ended, then by step and target.
func (p *pass) rowsWhere(match func(Row) bool) []failedRow {
	var all []failedRow
	order := 0
	for _, s := range p.steps {
		for _, l := range s.leaves {
			order++
			for _, m := range s.members {
				k := Key{Target: m.Name, Step: l.path}
				if row := p.row(k); match(row) {
					all = append(all, failedRow{Key: k, row: row, order: order})
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b failedRow) int {
		return cmp.Or(a.row.EndTime.Compare(b.row.EndTime), cmp.Compare(a.order, b.order))
	})
	return all
}

func (p *pass) failures() []v1alpha1.RunFailure {
	var list []v1alpha1.RunFailure
	for _, at := range p.rowsWhere(p.failure) {
		if len(list) == maxFailures {
			break
		}
		_, reason := badPhase(at.row)
		list = append(list, v1alpha1.RunFailure{
			Target: at.Target, Step: at.Step, Attempt: at.row.Attempt,
			Reason: reason, ExitCode: at.row.ExitCode, Message: cut(at.row.Message, maxMessage),
		})
	}
	return list
}
