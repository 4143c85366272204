//go:build linux

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/hack/kubetest"
)

// tentacleVersion builds a Tentacle of a version.
func tentacleVersion(t *testing.T, version string) string {
	t.Helper()
	root, err := kubetest.Root()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "tentacle")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w -X main.version="+version, "-o", path, "./agent")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath -buildvcs=false")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building version %s: %v\n%s", version, err, out)
	}
	return path
}

// TestTheDaemonIsUpgradedWhileAStepRuns replaces the program of a machine during a script of 30 seconds, as a package
// manager does, and starts the daemon anew, as systemd does: the run does not notice.
func TestTheDaemonIsUpgradedWhileAStepRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("the script runs for 30 seconds")
	}
	t.Parallel()
	w := newWorld(t)
	installed, next := tentacleVersion(t, "1.0.0"), tentacleVersion(t, "1.1.0")
	m := w.tentacleOf("web-1", installed)
	w.lookOften("web-1")
	w.version("web-1", "1.0.0")
	path, change := marks(w)
	const lines = 300
	w.script("1.0.0", fmt.Sprintf("echo ran >> \"$MARKS\"; for i in $(seq 1 %d); do echo line $i; echo $i > \"$MARKS.at\"; sleep 0.1; done", lines), change)
	w.bind("1.0.0")
	w.eventually("the script is in its midst", 60*time.Second, func() (bool, string) {
		at, err := os.ReadFile(path + ".at")
		return err == nil && len(strings.TrimSpace(string(at))) == 2, string(at) // from line 10 on
	})
	if err := os.Rename(next, installed); err != nil {
		t.Fatal(err)
	}
	m.signal(syscall.SIGTERM)
	m.start()

	run := w.ended(120 * time.Second)
	if run.Status.Phase != v1alpha1.RunSucceeded || len(run.Status.Failures) > 0 {
		t.Errorf("the run ended as %s: %+v", run.Status.Phase, run.Status.Failures)
	}
	rows := w.rows("web-1")
	if len(rows) != 1 || rows[0].Phase != v1alpha1.StepSucceeded || rows[0].Attempt > 1 {
		t.Errorf("the action: %+v", rows)
	}
	if n := ranTimes(t, path); n != 1 {
		t.Errorf("the script ran %d times", n)
	}
	want := make([]string, lines)
	for i := range want {
		want[i] = fmt.Sprintf("line %d", i+1)
	}
	if got := w.output(run.Name, "web-1"); got != strings.Join(want, "\n") {
		t.Errorf("the output is %q", got)
	}
	w.version("web-1", "1.1.0")
}

// lookOften lets the operator look at a target every ten seconds, and not every five minutes.
func (w *world) lookOften(target string) {
	w.t.Helper()
	w.create(&v1alpha1.TargetPolicy{ObjectMeta: metav1.ObjectMeta{Name: "often"},
		Spec: v1alpha1.TargetPolicySpec{HealthCheck: &v1alpha1.HealthCheck{Interval: &metav1.Duration{Duration: 10 * time.Second}}}})
	dt := &v1alpha1.DeploymentTarget{ObjectMeta: metav1.ObjectMeta{Name: target, Namespace: w.namespace}}
	if err := w.client.Patch(w.t.Context(), dt, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"policy":"often"}}`))); err != nil {
		w.t.Fatal(err)
	}
}

// version waits until a target says that its Tentacle has a version.
func (w *world) version(target, want string) {
	w.t.Helper()
	w.eventually(target+" has version "+want, 120*time.Second, func() (bool, string) {
		var dt v1alpha1.DeploymentTarget
		if err := w.client.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: target}, &dt); err != nil {
			return false, err.Error()
		}
		if dt.Status.Tentacle == nil {
			return false, "nothing is known of it"
		}
		return dt.Status.Tentacle.Version == want, dt.Status.Tentacle.Version
	})
}
