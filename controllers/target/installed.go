package target

import (
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/desired"
	"github.com/mantledeploy/mantle/controllers/internal/text"
)

// maxInstalled bounds status.installed.
const maxInstalled = desired.MaxInstalled

// merge adds the rows of runs to the present status. The newest row of each project and environment wins.
func merge(written, rows []v1alpha1.InstalledRelease) []v1alpha1.InstalledRelease {
	merged := slices.Clone(written)
	for _, row := range rows {
		i := slices.IndexFunc(merged, func(m v1alpha1.InstalledRelease) bool {
			return m.Project == row.Project && m.Environment == row.Environment
		})
		switch {
		case i < 0 && len(merged) < maxInstalled:
			merged = append(merged, row)
		case i >= 0 && (merged[i].RunUID == row.RunUID || !row.Time.Before(merged[i].Time)):
			if len(row.Steps) == 0 && merged[i].RunUID == row.RunUID {
				row.Steps = merged[i].Steps // the run's process, from which they came, may be deleted
			}
			merged[i] = row
		}
	}
	slices.SortFunc(merged, func(a, b v1alpha1.InstalledRelease) int {
		return strings.Compare(a.Environment+"/"+a.Project, b.Environment+"/"+b.Project)
	})
	return merged
}

// fromInventory returns the rows of the machine's own journal that belong to this namespace. If the machine's clock is
// ahead, its times are limited to the time of reading, as its rows must not be newer than those of later runs. The journal
// does not have the steps that ran on the machine, so these rows count as rows of all steps.
func fromInventory(t *v1alpha1.DeploymentTarget, inventory *step.Inventory, read time.Time) []v1alpha1.InstalledRelease {
	var rows []v1alpha1.InstalledRelease
	for _, row := range inventory.Installed {
		if row.Namespace != t.Namespace {
			continue
		}
		at := metav1.NewTime(within(row.Time, time.Unix(0, 0), read).Truncate(time.Second))
		rows = append(rows, v1alpha1.InstalledRelease{Project: row.Project, Environment: row.Environment, Release: text.Line(row.Release), Snapshot: text.Line(row.Snapshot),
			Run: text.Line(row.Run), RunUID: types.UID(text.Line(row.RunUID)), Phase: v1alpha1.InstalledPhase(row.Phase), Time: &at})
	}
	return merge(nil, rows)
}

// within returns t, limited to the time between first and last, as a machine's clock may be wrong.
func within(t, first, last time.Time) time.Time {
	switch {
	case t.Before(first):
		return first
	case t.After(last):
		return last
	default:
		return t
	}
}
