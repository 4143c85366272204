package run

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/desired"
)

// changeTarget changes spec or status of a target.
func (s *stage) changeTarget(name string, change func(*v1alpha1.DeploymentTarget)) {
	s.t.Helper()
	target := &v1alpha1.DeploymentTarget{}
	if err := s.client.Get(s.t.Context(), client.ObjectKey{Namespace: "shop", Name: name}, target); err != nil {
		s.t.Fatal(err)
	}
	change(target)
	if err := s.client.Update(s.t.Context(), target); err != nil {
		s.t.Fatal(err)
	}
}

func TestATargetFailsWithTheReasonThatItGives(t *testing.T) {
	for _, tt := range []struct {
		reason, message string
		change          func(*v1alpha1.DeploymentTarget)
	}{
		{v1alpha1.ReasonThumbprintMismatch, "the target is not trusted: ThumbprintMismatch: it presents another", func(t *v1alpha1.DeploymentTarget) {
			t.Status.Health = v1alpha1.HealthUntrusted
			t.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonThumbprintMismatch, Message: "it presents another"}}
		}},
		{v1alpha1.ReasonUntrusted, "the target is not trusted", func(t *v1alpha1.DeploymentTarget) { t.Status.Health = v1alpha1.HealthUntrusted }},
		{v1alpha1.ReasonTooManyProjects, "the target has reached its limit of projects: it already has 32 pairs of project and environment", func(t *v1alpha1.DeploymentTarget) {
			for i := range desired.MaxInstalled {
				t.Status.Installed = append(t.Status.Installed, v1alpha1.InstalledRelease{Project: fmt.Sprint(i), Environment: "production"})
			}
		}},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			s := newStage(t, process(script("install")), []string{"web-1"})
			s.changeTarget("web-1", tt.change)
			run := s.passes()
			if row := s.row("web-1", "install"); row.Phase != v1alpha1.StepFailed || row.Reason != tt.reason || row.Message != tt.message {
				t.Errorf("the row says %s (%s): %s", row.Phase, row.Reason, row.Message)
			}
			if f := run.Status.Failures; run.Status.Phase != v1alpha1.RunFailed || len(f) != 1 || f[0].Reason != tt.reason {
				t.Errorf("the run says %s, failures %+v", waits(run), f)
			}
		})
	}
}
