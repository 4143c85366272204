package kubetest_test

import (
	"path/filepath"
	"testing"

	"github.com/mantledeploy/mantle/hack/kubetest"
)

func TestEverySampleIsAccepted(t *testing.T) {
	cluster := kubetest.Start(t)
	root, err := kubetest.Root()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cluster.Kubectl(t, "", "apply", "--validate=strict", "--namespace", cluster.Namespace(t),
		"-k", filepath.Join(root, "config", "samples"))
	if err != nil {
		t.Errorf("kubectl apply: %v\n%s", err, out)
	}
	t.Log(out)
}

func TestEverythingThatIsInstalledIsAccepted(t *testing.T) {
	cluster := kubetest.Start(t)
	root, err := kubetest.Root()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cluster.Kubectl(t, "", "apply", "--server-side", "--force-conflicts", "--validate=strict",
		"-k", filepath.Join(root, "config", "default"))
	if err != nil {
		t.Errorf("kubectl apply: %v\n%s", err, out)
	}
}
