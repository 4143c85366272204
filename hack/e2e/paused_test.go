//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/hack/kubetest"
)

// TestALeaderThatStoodStillDoesNothingMore stops the leader's process for longer than its lease. The other operator takes
// over and sees that a machine is gone; when the first goes on, it must not write that the machine is healthy, as it last
// knew, and it must end.
func TestALeaderThatStoodStillDoesNothingMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.operator.kill()
	w.args[slices.Index(w.args, "--lease-duration")+1] = "9s" // of which two thirds are the renewal's deadline
	w.startOperator()
	m := w.tentacle("web-1")
	w.eventually("the target is healthy", 30*time.Second, func() (bool, string) { return w.healthy("web-1") })
	second := slices.Clone(w.args)
	second[slices.Index(second, "--data-dir")+1] = filepath.Join(w.dir, "second")
	start(t, filepath.Join(w.dir, "second.log"), []string{"TMPDIR=" + w.tmp()}, kubetest.Binary(t, "operator"), second...)
	w.eventually("the second operator waits for the lease", 30*time.Second, func() (bool, string) {
		content, err := os.ReadFile(filepath.Join(w.dir, "second.log"))
		return strings.Contains(string(content), "Attempting to acquire leader lease"), fmt.Sprint(err)
	})
	if err := w.operator.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	m.kill()
	health := func() v1alpha1.TargetHealth {
		var target v1alpha1.DeploymentTarget
		if err := w.client.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "web-1"}, &target); err != nil {
			t.Fatal(err)
		}
		return target.Status.Health
	}
	w.eventually("the second operator takes over", time.Minute, func() (bool, string) { now := health(); return now == v1alpha1.HealthUnavailable, string(now) })
	if err := w.operator.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	select {
	case <-w.operator.done:
	case <-time.After(4 * time.Second): // the renewal's deadline would end it too, after it has acted
		t.Fatal("it still runs 4 s after it went on")
	}
	if now := health(); now != v1alpha1.HealthUnavailable {
		t.Errorf("a machine that is gone is %s", now)
	}
	if code := w.operator.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(w.tail(), "is not the leader any more") {
		t.Errorf("it ended with %d:\n%s", code, w.tail())
	}
}
