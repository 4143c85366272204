package run

import (
	"k8s.io/apimachinery/pkg/util/resourceversion"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// known returns what is remembered of a run; nil if there is nothing, or another run of that name. The lock is held.
func (m *memory) known(run *v1alpha1.DeploymentRun) *remembered {
	if known := m.runs[nameOf(run)]; known != nil && known.uid == run.UID {
		return known
	}
	return nil
}

// update sets the status of a run, as it is in the cache, to what this process wrote last. It reports whether the run is then
// up to date. Of a run that has not started only the version is kept: its status may be large.
func (m *memory) update(run *v1alpha1.DeploymentRun) bool {
	if l := m.get(run); l != nil {
		run.Status = *l.ledger.Status.DeepCopy()
		return true
	}
	if run == nil {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.known(run)
	switch {
	case known == nil:
		return false
	case known.created != nil && known.created.status != nil:
		run.Status = *known.created.status.DeepCopy()
		return true
	default:
		return notOlder(run.ResourceVersion, known.version)
	}
}

// notOlder reports whether one version of a run is another, or follows it. Kubernetes promises that versions of one kind can
// be compared.
func notOlder(version, than string) bool {
	order, err := resourceversion.CompareResourceVersion(version, than)
	return err == nil && order >= 0
}

// wrote stores what was written or read of a run whose targets were not fixed before.
func (m *memory) wrote(run *v1alpha1.DeploymentRun) {
	m.change(run, func(known *remembered) {
		if known.version = run.ResourceVersion; known.created != nil {
			known.created.status = run.Status.DeepCopy()
		}
	})
}
