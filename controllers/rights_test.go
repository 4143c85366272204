package controllers_test

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/hack/kubetest"
)

func TestTheOperatorWritesNoConfigMapButItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	want := string(w.operator())

	forged := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "mantle-identity"}, Data: map[string]string{"thumbprint-sha256": "forged"}}
	if err := w.client.Update(t.Context(), forged); err != nil {
		t.Fatal(err)
	}
	w.restart() // an identity is known for some seconds, so another operator looks
	w.eventually("the operator writes its own anew", func() (bool, string) {
		err := w.client.Get(t.Context(), client.ObjectKeyFromObject(forged), forged)
		return err == nil && forged.Data["thumbprint-sha256"] == want, fmt.Sprint(forged.Data, err)
	})

	settings := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "settings"}}
	w.create(settings)
	operator := kubetest.Client(t, w.cluster.AsServiceAccount(t, operatorNamespace, "mantle"))
	settings.Data = map[string]string{"written": "by the operator"}
	if err := operator.Update(t.Context(), settings); !apierrors.IsForbidden(err) {
		t.Errorf("the operator changes any ConfigMap of the cluster: %v", err)
	}
}
