package compose

import (
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/dispatch"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
)

// A process that a later operator froze may have steps of a kind that this one does not know, and reads as none.
func TestAStepOfAnUnknownKindIsNotPrepared(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	target := &v1alpha1.DeploymentTarget{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1"}}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(target).Build()
	process := &v1alpha1.ProjectSpec{Steps: []v1alpha1.Step{{Name: "copy"}}}
	run := &v1alpha1.DeploymentRun{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "run", UID: "run-uid"}}
	composer := &Composer{Cached: c, Live: c, Now: time.Now}
	_, err := composer.For(run, ledger.New(run, process, nil)).Prepare(t.Context(), Action{Ticket: "t1", Leaf: v1alpha1.Leaves(process.Steps)[0], Target: v1alpha1.SliceTarget{Name: "web-1"}})
	var not *dispatch.NotReady
	if !errors.As(err, &not) || !not.Final || not.Reason != v1alpha1.ReasonNotPrepared {
		t.Errorf("it gives %v", err)
	}
}
