//go:build linux

package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// policy puts a policy in force on the machine.
func (m *tentacleProcess) policy(content string) {
	m.world.t.Helper()
	path := filepath.Join(m.home, ".tentacle", "policy.yaml")
	if err := errors.Join(os.WriteFile(path+".new", []byte(content), 0o600), os.Rename(path+".new", path)); err != nil {
		m.world.t.Fatal(err)
	}
}

func TestWhatTheOwnerForbidsIsInTheRunsFailureWithItsRule(t *testing.T) {
	w := newWorld(t)
	m := w.tentacle("web-1")
	m.policy("operators: {\"*\": {requireEngine: true, interpreters: [Python]}}\n")
	ran := filepath.Join(w.dir, "ran")
	w.script("1.0.0", "touch "+ran)
	w.bind("1.0.0")
	run := w.ended(60 * time.Second)
	if run.Status.Phase != v1alpha1.RunFailed || len(run.Status.Failures) != 1 {
		t.Fatalf("the run ended as %s: %+v", run.Status.Phase, run.Status.Failures)
	}
	failure := run.Status.Failures[0]
	if failure.Reason != v1alpha1.ReasonRefusedByPolicy || !strings.Contains(failure.Message, "rule interpreters") {
		t.Errorf("the failure is %s: %s", failure.Reason, failure.Message)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("the script ran all the same")
	}
	w.create(&v1alpha1.TargetPolicy{ObjectMeta: metav1.ObjectMeta{Name: "often"}, Spec: v1alpha1.TargetPolicySpec{
		HealthCheck: &v1alpha1.HealthCheck{Interval: &metav1.Duration{Duration: 10 * time.Second}}}})
	var dt v1alpha1.DeploymentTarget
	if err := w.client.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "web-1"}, &dt); err != nil {
		t.Fatal(err)
	}
	before := dt.DeepCopy()
	dt.Spec.Policy = "often"
	if err := w.client.Patch(t.Context(), &dt, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	w.eventually("the target shows the policy", 60*time.Second, func() (bool, string) {
		if err := w.client.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "web-1"}, &dt); err != nil || dt.Status.Tentacle == nil {
			return false, "no status yet"
		}
		return dt.Status.Tentacle.Policy == v1alpha1.MachinePolicyAdvisory, string(dt.Status.Tentacle.Policy)
	})
}
