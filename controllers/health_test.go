package controllers_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// looksBy makes a policy, and gives it to a target.
func (w *world) looksBy(name string, check v1alpha1.HealthCheck) func(*v1alpha1.DeploymentTarget) {
	w.t.Helper()
	w.create(&v1alpha1.TargetPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.TargetPolicySpec{HealthCheck: &check}})
	return func(t *v1alpha1.DeploymentTarget) { t.Spec.Policy = v1alpha1.ObjectName(name) }
}

func TestTheHealthScriptDecides(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.machine("web-1")
	m.fails("health", 3)
	w.register(m, w.looksBy("script", v1alpha1.HealthCheck{Interval: seconds(10), Type: v1alpha1.HealthCheckScript, Bash: "systemctl is-active shop"}))
	target := &v1alpha1.DeploymentTarget{}
	failed := w.reasonOf(target, "web-1", v1alpha1.ConditionHealthCheckPassed, v1alpha1.ReasonHealthScriptFailed)
	if target.Status.Health != v1alpha1.HealthUnhealthy || !strings.HasPrefix(failed.Message, "the health script ended with exit code 3") || meta.IsStatusConditionTrue(target.Status.Conditions, v1alpha1.ConditionReady) {
		t.Errorf("health %s, %+v", target.Status.Health, target.Status.Conditions)
	}
	m.fails("health", 0)
	passed := w.reasonOf(target, "web-1", v1alpha1.ConditionHealthCheckPassed, v1alpha1.ReasonHealthy)
	if target.Status.Health != v1alpha1.HealthHealthy || passed.Message != "the health check passed" || !meta.IsStatusConditionTrue(target.Status.Conditions, v1alpha1.ConditionReady) {
		t.Errorf("health %s, %+v", target.Status.Health, target.Status.Conditions)
	}
}

func TestAPolicyWithoutAScriptForTheMachineIsNoCheck(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.target("web-1", w.looksBy("windows", v1alpha1.HealthCheck{Type: v1alpha1.HealthCheckScript, PowerShell: "exit 1"}))
	target := &v1alpha1.DeploymentTarget{}
	told := w.reasonOf(target, "web-1", v1alpha1.ConditionHealthCheckPassed, v1alpha1.ReasonHealthScriptMissing)
	if told.Status != metav1.ConditionUnknown || !strings.Contains(told.Message, "TargetPolicy windows has no spec.healthCheck.bash") {
		t.Errorf("%+v", told)
	}
	if target.Status.Health != v1alpha1.HealthHasWarnings || !meta.IsStatusConditionTrue(target.Status.Conditions, v1alpha1.ConditionReady) {
		t.Errorf("health %s, %+v", target.Status.Health, target.Status.Conditions)
	}
}

func TestAMachineThatNobodyLooksAtIsDeployedTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.target("web-1", w.looksBy("never", v1alpha1.HealthCheck{Interval: seconds(0)}))
	w.project()
	w.release("1.0.0")
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)
	w.expectDid(m, versions("1.0.0")...)
	target := &v1alpha1.DeploymentTarget{}
	w.reasonOf(target, "web-1", v1alpha1.ConditionReady, v1alpha1.ReasonHealthy)
	if target.Status.Health != v1alpha1.HealthUnknown || target.Status.LastHealthCheck != nil {
		t.Errorf("it was looked at: health %s at %v", target.Status.Health, target.Status.LastHealthCheck)
	}
}

func TestAProcessThatIsTooLargeIsNotFrozen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.project(func(p *v1alpha1.Project) {
		large := &v1alpha1.RunStep{Shell: v1alpha1.ShellBash, Script: strings.Repeat("# a long story\n", 8000)}
		for _, name := range []v1alpha1.StepName{"one", "two", "three", "four", "five"} {
			p.Spec.Steps = append(p.Spec.Steps, v1alpha1.Step{Name: name, StepModifiers: v1alpha1.StepModifiers{Run: large}})
		}
	})
	w.release("1.0.0")
	told := w.reasonOf(&v1alpha1.Release{}, "shop-1.0.0", v1alpha1.ConditionStalled, v1alpha1.ReasonSnapshotTooLarge)
	if !strings.Contains(told.Message, "move long scripts into the package") {
		t.Errorf("no remedy: %s", told.Message)
	}
}
