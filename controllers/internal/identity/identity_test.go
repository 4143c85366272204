package identity

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/v1alpha1"
)

func cluster(t *testing.T) (client.Client, func() *Store) {
	t.Helper()
	c := fake.NewClientBuilder().WithObjects(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "mantle-system", UID: "sys"}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", UID: "one"}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "bank", UID: "two"}}).Build()
	return c, func() *Store { return New(c, c, "mantle-system") }
}

func TestEachNamespaceHasItsOwn(t *testing.T) {
	_, store := cluster(t)
	shop, err := store().For(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	again, err := store().For(t.Context(), "shop")
	if err != nil || again.Thumbprint != shop.Thumbprint {
		t.Errorf("a second look gives another identity: %v", err)
	}
	bank, err := store().For(t.Context(), "bank")
	if err != nil || bank.Thumbprint == shop.Thumbprint {
		t.Errorf("two namespaces share an identity: %v", err)
	}
}

func TestTheThumbprintIsPublishedAgain(t *testing.T) {
	c, store := cluster(t)
	shop, _ := store().For(t.Context(), "shop")
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: ConfigMapName}}
	if err := c.Delete(t.Context(), cm); err != nil {
		t.Fatal(err)
	}
	if _, err := store().For(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(cm), cm); err != nil || cm.Data[KeySHA256] != string(shop.Thumbprint) {
		t.Errorf("published %v, %v", cm.Data, err)
	}
}

func TestALostSecretIsNotReplaced(t *testing.T) {
	c, store := cluster(t)
	_, _ = store().For(t.Context(), "shop")
	_ = c.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "mantle-system", Name: SecretName("shop")}})
	if _, err := store().For(t.Context(), "shop"); !errors.Is(err, ErrLost) {
		t.Errorf("got %v", err)
	}
}

func TestANamespaceMadeAgain(t *testing.T) {
	c, store := cluster(t)
	before, _ := store().For(t.Context(), "shop")
	secret := &corev1.Secret{}
	answer := func(annotation string) {
		if err := c.Get(context.Background(), client.ObjectKey{Namespace: "mantle-system", Name: SecretName("shop")}, secret); err != nil {
			t.Fatal(err)
		}
		secret.Annotations[v1alpha1.AnnotationNamespaceUID] = "earlier"
		secret.Annotations[v1alpha1.AnnotationIdentity] = annotation
		if err := c.Update(context.Background(), secret); err != nil {
			t.Fatal(err)
		}
	}
	answer("")
	if _, err := store().For(t.Context(), "shop"); !errors.Is(err, ErrLost) {
		t.Errorf("got %v", err)
	}
	answer("keep")
	if kept, err := store().For(t.Context(), "shop"); err != nil || kept.Thumbprint != before.Thumbprint {
		t.Errorf("keep: %v", err)
	}
	answer("renew")
	renewed, err := store().For(t.Context(), "shop")
	if err != nil || renewed.Thumbprint == before.Thumbprint {
		t.Errorf("renew: %v", err)
	}
	if again, err := store().For(t.Context(), "shop"); err != nil || again.Thumbprint != renewed.Thumbprint {
		t.Errorf("renewed twice: %v", err)
	}
}

// importIdentity is what an administrator does who gives a namespace the identity of, say, an Octopus Server.
func importIdentity(t *testing.T, c client.Client, namespace string) halibut.Thumbprint {
	t.Helper()
	certificate, key, err := halibut.NewIdentity("imported", halibut.RSA)
	if err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "mantle-system", Name: SecretName(namespace)},
		Data: map[string][]byte{corev1.TLSCertKey: certificate, corev1.TLSPrivateKeyKey: key}}
	if err := c.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(certificate)
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return halibut.SHA256Thumbprint(leaf)
}

func TestAnImportedIdentityBelongsToTheNamespaceThatGotIt(t *testing.T) {
	c, store := cluster(t)
	want := importIdentity(t, c, "shop")
	if got, err := store().For(t.Context(), "shop"); err != nil || got.Thumbprint != want {
		t.Fatalf("%v, %v", got, err)
	}
	// The namespace is deleted, and somebody else makes one of the same name.
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
	if err := c.Delete(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	if err := c.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", UID: "three"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := store().For(t.Context(), "shop"); !errors.Is(err, ErrLost) {
		t.Errorf("the later namespace inherits it: %v", err)
	}
}

func TestASecretThatHoldsNoIdentityIsToldAndLeftAlone(t *testing.T) {
	c, store := cluster(t)
	key := client.ObjectKey{Namespace: "mantle-system", Name: SecretName("shop")}
	broken := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}, Data: map[string][]byte{corev1.TLSPrivateKeyKey: []byte("confidential")}}
	if err := c.Create(t.Context(), broken); err != nil {
		t.Fatal(err)
	}
	_, err := store().For(t.Context(), "shop")
	if !errors.Is(err, ErrLost) || strings.Contains(err.Error(), "confidential") {
		t.Errorf("got %v", err)
	}
	if err := c.Get(t.Context(), key, broken); err != nil || string(broken.Data[corev1.TLSPrivateKeyKey]) != "confidential" || len(broken.Annotations) != 0 {
		t.Errorf("it was changed: %v, %v", broken, err)
	}
}

func TestWhatOthersNotedOnTheConfigMapStays(t *testing.T) {
	c, store := cluster(t)
	shop, err := store().For(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	var cm corev1.ConfigMap
	key := client.ObjectKey{Namespace: "shop", Name: ConfigMapName}
	if err := c.Get(t.Context(), key, &cm); err != nil {
		t.Fatal(err)
	}
	cm.Labels, cm.Data[KeySHA256] = map[string]string{"team": "shop"}, "forged"
	if err := c.Update(t.Context(), &cm); err != nil {
		t.Fatal(err)
	}
	if _, err := store().For(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	if err := c.Get(t.Context(), key, &cm); err != nil || cm.Labels["team"] != "shop" || cm.Data[KeySHA256] != string(shop.Thumbprint) {
		t.Errorf("%v %v, %v", cm.Labels, cm.Data, err)
	}
}

// A namespace that is made again within seconds must not get the identity of the former one, which its machines trust.
func TestANamespaceMadeAgainWithinSeconds(t *testing.T) {
	c, newStore := cluster(t)
	again := func(uid types.UID) {
		t.Helper()
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(ns), ns); err != nil {
			t.Fatal(err)
		}
		ns.Finalizers = nil
		if err := errors.Join(c.Update(t.Context(), ns), client.IgnoreNotFound(c.Delete(t.Context(), ns))); err != nil {
			t.Fatal(err)
		}
		ns = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", UID: uid, Finalizers: []string{"example.com/stay"}}}
		if err := c.Create(t.Context(), ns); err != nil {
			t.Fatal(err)
		}
	}
	store := newStore()
	if _, err := store.For(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	again("three")
	store.Forget("shop")
	if _, err := store.For(t.Context(), "shop"); !errors.Is(err, ErrLost) {
		t.Errorf("an object of the namespace was seen to go, and the new one gets %v", err)
	}
	if remembered(store) != 0 {
		t.Error("the former identity is remembered")
	}
}

func TestTheIdentityOfANamespaceThatIsDeletedIsNotRemembered(t *testing.T) {
	c, newStore := cluster(t)
	store := newStore()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(ns), ns); err != nil {
		t.Fatal(err)
	}
	ns.Finalizers = []string{"kubernetes"}
	if err := errors.Join(c.Update(t.Context(), ns), c.Delete(t.Context(), ns)); err != nil {
		t.Fatal(err)
	}
	if _, err := store.For(t.Context(), "shop"); err != nil || remembered(store) != 0 {
		t.Errorf("%v, %d are remembered", err, remembered(store))
	}
}
