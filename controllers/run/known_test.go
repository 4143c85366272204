package run

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// A run that others also write is read from the API server only while the cache is behind what this process wrote or read.
func TestACacheThatIsAheadIsUpToDate(t *testing.T) {
	at := func(version string, uid types.UID) *v1alpha1.DeploymentRun {
		return aRun("run-0", func(r *v1alpha1.DeploymentRun) { r.ResourceVersion, r.UID = version, uid })
	}
	for name, c := range map[string]struct {
		known, cached string
		uid           types.UID
		want          bool
	}{
		"the same":        {"100", "100", "a", true},
		"ahead":           {"99", "100", "a", true},
		"behind":          {"100", "99", "a", false},
		"nothing written": {"", "100", "a", false},
		"another run":     {"99", "100", "b", false},
	} {
		m := newMemory()
		m.of(at(c.known, "a"))
		m.wrote(at(c.known, "a"))
		if got := m.update(at(c.cached, c.uid)); got != c.want {
			t.Errorf("%s: known %q, cached %q: up to date %v, want %v", name, c.known, c.cached, got, c.want)
		}
	}
}
