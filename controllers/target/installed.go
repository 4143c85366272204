package target

import (
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/wish"
)

// maxInstalled bounds status.installed.
const maxInstalled = wish.MaxInstalled

// merge takes the rows of runs into what is written; the newest of each project and environment wins.
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
			merged[i] = row
		}
	}
	slices.SortFunc(merged, func(a, b v1alpha1.InstalledRelease) int {
		return strings.Compare(a.Environment+"/"+a.Project, b.Environment+"/"+b.Project)
	})
	return merged
}

// fromInventory reads the machine's own journal: only what was deployed from this namespace. A machine whose clock is
// ahead must not make its rows newer than those of runs to come.
func fromInventory(t *v1alpha1.DeploymentTarget, inventory *step.Inventory, read time.Time) []v1alpha1.InstalledRelease {
	var rows []v1alpha1.InstalledRelease
	for _, row := range inventory.Installed {
		if row.Namespace != t.Namespace {
			continue
		}
		when := row.Time
		if when.After(read) {
			when = read
		}
		at := metav1.NewTime(when.Truncate(time.Second))
		rows = append(rows, v1alpha1.InstalledRelease{Project: row.Project, Environment: row.Environment, Release: row.Release, Snapshot: row.Snapshot,
			Run: row.Run, RunUID: types.UID(row.RunUID), Phase: v1alpha1.InstalledPhase(row.Phase), Time: &at})
	}
	return merge(nil, rows)
}
