package target

import (
	"encoding/json"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// What a machine says of itself must leave the status of its target fit for `kubectl get -o yaml`, which shows nothing
// of a whole list where one text has control characters.
func TestWhatAMachineSaysCanBeShown(t *testing.T) {
	const hostile = "caf\u00c2\u0080\x1b[31m\x7f\ufeff"
	dt := aTarget()
	probe := session.Probe{Capabilities: []string{"IScriptServiceV2", hostile}, Facts: able(), Octopus: true, Certificate: certificate(t)}
	probe.Facts.Version, probe.Facts.OS, probe.Facts.Arch = hostile, hostile, hostile
	describe(seen(dt, &result{At: noon, Probe: probe, Inventory: &step.Inventory{Installed: []step.Installed{
		{Namespace: dt.Namespace, Environment: "prod", Project: "shop", Release: hostile, Snapshot: hostile, Run: hostile, RunUID: hostile, Phase: step.Succeeded},
		{Namespace: dt.Namespace, Environment: "test", Project: "shop", Phase: step.Succeeded, Time: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)},
	}}, Health: &session.StepResult{Message: hostile}}))
	coded, err := json.Marshal(dt.Status)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := yaml.JSONToYAML(coded); err != nil {
		t.Errorf("the status cannot be shown: %v\n%s", err, coded)
	}
	if dt.Status.Tentacle.OS != "caf\u00c2" || len(dt.Status.Installed) != 2 {
		t.Errorf("what can be shown of it is not there: %q, %v", dt.Status.Tentacle.OS, dt.Status.Installed)
	}
	for _, row := range dt.Status.Installed {
		if row.Time.IsZero() || row.Time.After(noon) || row.Phase != v1alpha1.InstalledSucceeded {
			t.Errorf("a row that is of no time that has been: %v", row)
		}
	}
}
