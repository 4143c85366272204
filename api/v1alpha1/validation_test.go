package v1alpha1_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/hack/kubetest"
)

var update = flag.Bool("update", false, "write what kubectl says into the golden files")

func TestMain(m *testing.M) { kubetest.Main(m) }

// TestRefused applies the documents of each file of testdata/refused, of which the last one is wrong, and compares what
// `kubectl apply` says of it with the golden file beside it: the field, and what to write instead.
func TestRefused(t *testing.T) {
	cluster := kubetest.Start(t)
	files, err := filepath.Glob("testdata/refused/*.yaml")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			t.Parallel()
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			namespace := cluster.Namespace(t)
			documents := strings.Split(string(content), "---\n")
			for i, document := range documents {
				said, err := cluster.Kubectl(t, document, "apply", "--server-side", "--field-manager=test", "-n", namespace, "-f", "-")
				if last := i == len(documents)-1; last != (err != nil) {
					t.Fatalf("document %d: kubectl ended with %v and said: %s", i+1, err, said)
				}
				if err != nil {
					compare(t, strings.TrimSuffix(file, ".yaml")+".golden", strings.ReplaceAll(said, namespace, "NAMESPACE"))
				}
			}
		})
	}
}

func compare(t *testing.T, golden, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, []byte(got)) {
		t.Errorf("%s:\n%s", golden, cmp.Diff(string(want), got))
	}
}

// Versions as .NET, Octopus, the calendar and SemVer have them; each has a release whose name the API takes.
func TestAcceptedVersions(t *testing.T) {
	cluster := kubetest.Start(t)
	namespace := cluster.Namespace(t)
	for _, version := range []v1alpha1.Version{"7", "2026.11", "2026.01", "1.4.2", "1.2.3.4", "1.5.0-rc.1", "1.4.2+7", "1.4.2-7", "1.4.2-rc.1+build.5-a1", "20261128.3-main.0abc12f"} {
		document := fmt.Sprintf("apiVersion: mantle.dev/v1alpha1\nkind: Release\nmetadata: {name: %s}\nspec: {project: shop, version: '%s'}\n", v1alpha1.ReleaseName("shop", version), version)
		if said, err := cluster.Kubectl(t, document, "apply", "--server-side", "--field-manager=test", "-n", namespace, "-f", "-"); err != nil {
			t.Errorf("%s: %v: %s", version, err, said)
		}
	}
	said, err := cluster.Kubectl(t, "", "get", "mrel", "-n", namespace, "-o", "name", "--field-selector", "spec.project=shop")
	if lines := strings.Count(said, "\n"); err != nil || lines != 10 {
		t.Errorf("%d releases of the project, %v: %s", lines, err, said)
	}
}

// People find runs by what they deploy and how they ended, and see in the list why they were made.
func TestRunsAreFoundByTheirFields(t *testing.T) {
	cluster := kubetest.Start(t)
	namespace := cluster.Namespace(t)
	for i, of := range []struct{ project, environment, phase string }{
		{"shop", "production", "Failed"}, {"shop", "staging", "Failed"}, {"shop", "production", "Succeeded"}, {"api", "production", "Failed"},
	} {
		run := fmt.Sprintf("apiVersion: mantle.dev/v1alpha1\nkind: DeploymentRun\nmetadata: {name: run-%d}\nspec: {project: %s, environment: %s, release: '1.0', purpose: Convergence}\n",
			i, of.project, of.environment)
		if said, err := cluster.Kubectl(t, run, "apply", "--server-side", "--field-manager=test", "-n", namespace, "-f", "-"); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		patch := fmt.Sprintf(`{"status":{"phase":%q}}`, of.phase)
		if said, err := cluster.Kubectl(t, "", "patch", "drun", "-n", namespace, fmt.Sprintf("run-%d", i), "--subresource=status", "--type=merge", "-p", patch); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
	}
	said, err := cluster.Kubectl(t, "", "get", "drun", "-n", namespace, "--field-selector", "spec.project=shop,spec.environment=production,status.phase=Failed")
	lines := strings.Split(strings.TrimSpace(said), "\n")
	if err != nil || len(lines) != 2 || !strings.HasPrefix(lines[1], "run-0 ") || !strings.Contains(lines[0], "PURPOSE") || !strings.Contains(lines[1], "Convergence") {
		t.Errorf("%v:\n%s", err, said)
	}
	for kind, selector := range map[string]string{"dt": "status.health=Unavailable", "rb": "spec.project=shop,spec.environment=production"} {
		if said, err := cluster.Kubectl(t, "", "get", kind, "-n", namespace, "--field-selector", selector); err != nil {
			t.Errorf("%s: %v: %s", kind, err, said)
		}
	}
}
