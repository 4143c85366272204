package v1alpha1

import (
	"slices"
	"strings"
	"testing"
)

func TestVersionsAreOrderedByTheirNumbersThenByTheirPreRelease(t *testing.T) {
	want := []Version{"0.9", "1.0.0-1", "1.0.0-2", "1.0.0-10", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-rc.2", "1.0.0-rc.11", "1.0",
		"1.0.0.1", "1.2.3.4", "1.2.3.10", "1.10", "7", "2026.11", "2026.12-preview", "2026.12", "99999999999999999999999999"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, Version.Compare)
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestMissingNumbersOfAVersionAreZerosAndBuildMetadataDoesNotCount(t *testing.T) {
	for _, v := range []Version{"1", "1.0", "1.0.0", "1.0.0.0", "01.0", "1+7", "1.0.0+build.8"} {
		if d := Version("1.0.0").Compare(v); d != 0 {
			t.Errorf("1.0.0 against %s: %d", v, d)
		}
	}
}

func TestDifferentVersionsHaveReleasesOfDifferentNames(t *testing.T) {
	names := map[string]Version{}
	for _, v := range []Version{"1.0", "1.0.0", "1.0+7", "1.0-7", "1.0-7.a", "1.0-7+a", "1.0-7-a"} {
		name := ReleaseName("shop", v)
		if other, taken := names[name]; taken || strings.Contains(name, "+") {
			t.Errorf("the release of %s is %s, as that of %q", v, name, other)
		}
		names[name] = v
	}
}

func TestLabelsOfARunAreValuesThatKubernetesTakes(t *testing.T) {
	spec := DeploymentRunSpec{Project: "shop", Environment: "production", Release: "1.4.2+build.7"}
	labels := spec.Labels()
	if labels[LabelProject] != "shop" || labels[LabelEnvironment] != "production" || labels[LabelRelease] != "1.4.2--build.7" {
		t.Errorf("%v", labels)
	}
	spec.Release = Version("1.0.0-" + strings.Repeat("a", 60))
	if value, there := spec.Labels()[LabelRelease]; there {
		t.Errorf("a label of %d characters", len(value))
	}
}
