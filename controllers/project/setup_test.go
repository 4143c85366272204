package project

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/hack/kubetest"
)

// TestManagerRunsIt applies a project before its Secret and sees it become Ready by itself.
func TestManagerRunsIt(t *testing.T) {
	cluster := kubetest.Start(t)
	mgr, err := ctrl.NewManager(cluster.Config, ctrl.Options{Scheme: kubetest.Scheme(t), Metrics: metricsserver.Options{BindAddress: "0"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := New(mgr).SetupWithManager(mgr); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("running the manager: %v", err)
		}
	})
	c, namespace := cluster.Client(t), cluster.Namespace(t)
	run := &v1alpha1.RunStep{Shell: v1alpha1.ShellBash, Script: "true"}
	project := &v1alpha1.Project{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "shop"},
		Spec: v1alpha1.ProjectSpec{
			Variables: []v1alpha1.Variable{secret("db.password", "shop-db", "password")},
			Steps:     []v1alpha1.Step{{Name: "a", StepModifiers: v1alpha1.StepModifiers{Run: run}}},
		},
	}
	if err := c.Create(ctx, project); err != nil {
		t.Fatal(err)
	}
	await(t, c, project, v1alpha1.ReasonSecretNotFound)
	object := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "shop-db"}, StringData: map[string]string{"password": "geheim"},
	}
	if err := c.Create(ctx, object); err != nil {
		t.Fatal(err)
	}
	await(t, c, project, v1alpha1.ReasonValid)
}

func await(t *testing.T, c client.Client, project *v1alpha1.Project, reason string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(project), project); err != nil {
			t.Fatal(err)
		}
		ready := meta.FindStatusCondition(project.Status.Conditions, v1alpha1.ConditionReady)
		if ready != nil && ready.Reason == reason {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("Ready does not get the reason %s: %+v", reason, ready)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
