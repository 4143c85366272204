package plan

import (
	"os"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// People begin with the sample: it must not give customers a machine back whose smoke test has just failed.
func TestTheSampleLeavesAMachineOutWhoseSmokeTestFailed(t *testing.T) {
	text, err := os.ReadFile("../../../config/samples/project.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var project v1alpha1.Project
	if err := yaml.UnmarshalStrict(text, &project); err != nil {
		t.Fatal(err)
	}
	play := func(actions map[string]behaviour) string {
		return newStage(t, script{Targets: []string{"db-1 db", "web-1 web"}, Steps: project.Spec.Steps, Settings: project.Spec.Settings, Actions: actions}).play()
	}
	const back = "web-1 begins web/undrain"
	if story := play(nil); !strings.Contains(story, back) {
		t.Errorf("a machine on which all went well stays out:\n%s", story)
	}
	if story := play(map[string]behaviour{"* web/smoke": {Exit: 1}}); !strings.Contains(story, "web-1 web/smoke: Failed") || strings.Contains(story, back) {
		t.Errorf("a machine whose smoke test failed is given back:\n%s", story)
	}
}
