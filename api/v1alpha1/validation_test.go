package v1alpha1_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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
