package kubetest_test

import (
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/hack/kubetest"
)

func TestMain(m *testing.M) { kubetest.Main(m) }

func TestServiceAccountHasNoRightsOfItsOwn(t *testing.T) {
	cluster := kubetest.Start(t)
	namespace := cluster.Namespace(t)
	config := cluster.AsServiceAccount(t, namespace, "nobody")

	for name, cl := range map[string]client.Client{
		"configuration": kubetest.Client(t, config),
	} {
		err := cl.List(t.Context(), &corev1.SecretList{}, client.InNamespace(namespace))
		if !apierrors.IsForbidden(err) {
			t.Errorf("%s: listing Secrets gave %v, want that it is forbidden", name, err)
		}
	}
	if path := kubetest.KubeconfigFor(t, config); !filepath.IsAbs(path) {
		t.Errorf("the kubeconfig is at %q, want an absolute path", path)
	}
}

func TestKindsAreServedAndOwnedObjectsGo(t *testing.T) {
	cluster := kubetest.Start(t)
	cluster.RequireGarbageCollection(t)
	cl, namespace := cluster.Client(t), cluster.Namespace(t)

	owner := &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "production"}}
	if err := cl.Create(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	owned := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: "owned",
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(owner, v1alpha1.GroupVersion.WithKind("Environment"))},
	}}
	if err := cl.Create(t.Context(), owned); err != nil {
		t.Fatal(err)
	}
	if err := cl.Delete(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for !apierrors.IsNotFound(cl.Get(t.Context(), client.ObjectKeyFromObject(owned), owned)) {
		if time.Since(began) > 90*time.Second {
			t.Fatal("the owned object is still there after 90 seconds")
		}
		time.Sleep(20 * time.Millisecond)
	}
}
