package snapshot

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// A snapshot stays while anybody owns it, and its last owner takes it along.
func TestASnapshotIsOwnedWhileItIsNeeded(t *testing.T) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, appsv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	revision := frozen(t, "shop-1.0.0", "true")
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(revision).Build()
	run := &v1alpha1.DeploymentRun{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "run", UID: "run-uid"}}
	owners := func() []metav1.OwnerReference {
		t.Helper()
		var now appsv1.ControllerRevision
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(revision), &now); err != nil {
			t.Fatal(err)
		}
		return now.OwnerReferences
	}
	if err := Own(t.Context(), c, c, run, revision.Name); err != nil || len(owners()) != 2 {
		t.Fatalf("%v; the owners are %+v", err, owners())
	}
	if err := Disown(t.Context(), c, c, run, revision.Name); err != nil || len(owners()) != 1 || owners()[0].Kind != "Release" {
		t.Errorf("%v; the owners are %+v", err, owners())
	}
	var alone appsv1.ControllerRevision
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(revision), &alone); err != nil {
		t.Fatal(err)
	}
	alone.OwnerReferences = nil // the release is gone
	if err := c.Update(t.Context(), &alone); err != nil {
		t.Fatal(err)
	}
	if err := Own(t.Context(), c, c, run, revision.Name); err != nil {
		t.Fatal(err)
	}
	if err := Disown(t.Context(), c, c, run, revision.Name); err != nil || len(owners()) != 1 {
		t.Errorf("%v; the last owner left: %+v", err, owners())
	}
	if err := Disown(t.Context(), c, c, run, "gone"); err != nil {
		t.Errorf("of one that is gone: %v", err)
	}
}
