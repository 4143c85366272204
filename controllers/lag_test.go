package controllers_test

import (
	"context"
	"testing"
	"time"

	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/binding"
	"github.com/mantledeploy/mantle/hack/kubetest"
)

// TestABindingMakesNoRunFromACacheThatLags lets a binding's run end while the cache shows neither its rows nor what
// they did to the target. It looks as if the target lacked the release; but the binding waits and makes no run.
func TestABindingMakesNoRunFromACacheThatLags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.target("web-1")
	w.project()
	w.release("1.0.0")
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)
	w.stop()
	live, err := client.NewWithWatch(w.cluster.Config, client.Options{Scheme: kubetest.Scheme(t)})
	if err != nil {
		t.Fatal(err)
	}
	lagging := interceptor.NewClient(live, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			if _, is := list.(*v1alpha1.DeploymentTargetList); is {
				options = []client.ListOption{client.InNamespace(w.namespace)} // only a cache has indexes
			}
			err := c.List(ctx, list, options...)
			switch list := list.(type) {
			case *v1alpha1.DeploymentTargetList:
				for i := range list.Items {
					list.Items[i].Status.Installed = nil
				}
			case *v1alpha1.DeploymentRunSliceList:
				for i := range list.Items {
					list.Items[i].Status.Results = nil
				}
			}
			return err
		},
	})
	r := binding.Reconciler{Client: lagging, Reader: live, Recorder: events.NewFakeRecorder(10), Now: time.Now}
	if _, err := r.Reconcile(t.Context(), w.binding()); err != nil {
		t.Fatal(err)
	}
	w.expectOneRun("1/1")
	w.readyWith(v1alpha1.ReasonRecording)
}
