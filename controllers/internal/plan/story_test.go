package plan

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

var update = flag.Bool("update", false, "write the stories as they are now into testdata")

// script is the first half of a story's file: what there is, what scripts do, and what happens meanwhile.
type script struct {
	// Targets are "name role role".
	Targets  []string                 `json:"targets"`
	Steps    []v1alpha1.Step          `json:"steps"`
	Settings v1alpha1.ProjectSettings `json:"settings"`
	Purpose  v1alpha1.RunPurpose      `json:"purpose"`
	// Actions by "target step", "* step", or "*": what a script does. By default it is sent at once, takes 10s and ends
	// well.
	Actions map[string]behaviour `json:"actions"`
	Events  []happening          `json:"events"`
}

// behaviour of an action.
type behaviour struct {
	// Prepares that long before it is sent; "ever" is never sent.
	Prepares string `json:"prepares"`
	// For is "Reason message": for what it waits while it prepares.
	For string `json:"for"`
	// Unsent is the reason why it fails unsent; that is known after a second.
	Unsent string `json:"unsent"`
	// Unreached is the reason why its machine cannot be reached; it is given up after a minute.
	Unreached string `json:"unreached"`
	// Takes how long.
	Takes string `json:"takes"`
	// Exit code that it ends with.
	Exit int32 `json:"exit"`
	// Waits that long for the machine's mutex before it begins; "ever" is never ending.
	Waits string `json:"waits"`
	// Cancel is how long it takes to end when cancelled, 1s unless given; "never" ignores it.
	Cancel string `json:"cancel"`
	// Leaves are processes that the machine could not end when it was cancelled.
	Leaves []int `json:"leaves"`
}

// happening is something that changes from outside.
type happening struct {
	At string `json:"at"`
	// Set is "target=Availability", and a reason where the target gives one.
	Set string `json:"set"`
	// Roles are "target=role role". The planner is not told.
	Roles string `json:"roles"`
	// Stop is Cancel or Supersede.
	Stop Stop `json:"stop"`
}

// TestStories plays each file of testdata to its end and compares what was decided, line by line.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.story")
	if err != nil || len(files) == 0 {
		t.Fatalf("finding stories: %v, %d files", err, len(files))
	}
	const border = "\n-- story --\n"
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".story"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			head, want, _ := strings.Cut(string(data), border)
			var sc script
			if err := yaml.UnmarshalStrict([]byte(head), &sc); err != nil {
				t.Fatalf("reading the script: %v", err)
			}
			got := newStage(t, sc).play()
			if *update {
				if err := os.WriteFile(file, []byte(strings.TrimRight(head, "\n")+"\n"+border[1:]+got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("the story differs (-want +got); look at it, then go test -update\n%s", diff)
			}
		})
	}
}
