package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// list is what `go list -deps` says of the Tentacle on Linux, one answer a package.
func list(t *testing.T, format string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", format, ".")
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := strings.Fields(string(out))
	slices.Sort(all)
	return all
}

// The list is short enough to read, and a change of it is seen in review.
func TestTheTentacleIsMadeOfWhatIsListed(t *testing.T) {
	listed, err := os.ReadFile("../hack/deps/agent.txt")
	if err != nil {
		t.Fatal(err)
	}
	got := list(t, "{{if not .Standard}}{{.ImportPath}}{{end}}")
	if diff := cmp.Diff(strings.Fields(string(listed)), got); diff != "" {
		t.Errorf("hack/deps/agent.txt lists the packages that are not Go's own; if this change is meant, bring it up to date:\n%s", diff)
	}
}

// The daemon serves and never dials: it has no HTTP client to do it with. It knows nothing of clusters.
func TestTheTentacleHasNoHTTPAndNoKubernetes(t *testing.T) {
	for _, path := range list(t, "{{.ImportPath}}") {
		if path == "net/http" || path == "net/smtp" || path == "net/rpc" || strings.HasPrefix(path, "k8s.io/") ||
			strings.HasPrefix(path, "sigs.k8s.io/") || strings.HasSuffix(path, "/api/v1alpha1") {
			t.Errorf("the Tentacle imports %s", path)
		}
	}
}
