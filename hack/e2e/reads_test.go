//go:build linux

package e2e

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

func (w *world) healthy(name string) (bool, string) {
	var t v1alpha1.DeploymentTarget
	if err := w.client.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, &t); err != nil {
		return false, err.Error()
	}
	message := ""
	for _, c := range t.Status.Conditions {
		message += c.Type + "=" + string(c.Status) + " " + c.Reason + ": " + c.Message + "; "
	}
	return t.Status.Health == v1alpha1.HealthHealthy, message
}

// run makes a person's run.
func (w *world) run(name string, version v1alpha1.Version) {
	w.t.Helper()
	w.create(&v1alpha1.DeploymentRun{ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.DeploymentRunSpec{Project: "shop", Environment: "production", Release: version}})
}

func (w *world) endedRun(name string, limit time.Duration) *v1alpha1.DeploymentRun {
	w.t.Helper()
	run := &v1alpha1.DeploymentRun{}
	w.eventually(name+" ends", limit, func() (bool, string) {
		if err := w.client.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, run); err != nil {
			return false, err.Error()
		}
		message := string(run.Status.Phase)
		for _, c := range run.Status.Conditions {
			message += "; " + c.Type + " " + c.Reason + ": " + c.Message
		}
		return run.Status.Phase.IsTerminal(), message
	})
	return run
}

func (w *world) rowsOf(run, target string) []v1alpha1.ActionStatus {
	var slice v1alpha1.DeploymentRunSlice
	if err := w.client.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: run + "-000"}, &slice); err != nil {
		return nil
	}
	for _, r := range slice.Status.Results {
		if r.Target == target {
			return r.Steps
		}
	}
	return nil
}
