package identity

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"software.sslmate.com/src/go-pkcs12"

	"github.com/mantledeploy/mantle/api/halibut"
)

// exported is what Octopus exports: a PFX of its server's certificate, as .NET writes it.
func exported(t *testing.T, encoder *pkcs12.Encoder, password string) ([]byte, halibut.Thumbprint) {
	t.Helper()
	certificate, key, err := halibut.NewIdentity("Octopus Portal", halibut.RSA)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	pfx, err := encoder.Encode(pair.PrivateKey, pair.Leaf, nil, password)
	if err != nil {
		t.Fatal(err)
	}
	return pfx, halibut.SHA256Thumbprint(pair.Leaf)
}

func give(t *testing.T, c client.Client, namespace string, data map[string][]byte) {
	t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "mantle-system", Name: SecretName(namespace)}, Data: data}
	if err := c.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
}

func TestAPFXIsImported(t *testing.T) {
	for name, encoder := range map[string]*pkcs12.Encoder{"old": pkcs12.LegacyDES, "new": pkcs12.Modern} {
		for _, password := range []string{"", "correct horse\n"} {
			c, store := cluster(t)
			pfx, want := exported(t, encoder, strings.TrimSpace(password))
			give(t, c, "shop", map[string][]byte{KeyPFX: pfx, KeyPassword: []byte(password)})
			s := store()
			for range 2 { // the second is adopted already
				clear(s.spaces)
				got, err := s.For(t.Context(), "shop")
				if err != nil || got.Thumbprint != want {
					t.Fatalf("%s, password %q: %v, %v", name, password, got, err)
				}
			}
			var cm corev1.ConfigMap
			if err := c.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: ConfigMapName}, &cm); err != nil || cm.Data[KeySHA256] != string(want) {
				t.Errorf("%s: published %v, %v", name, cm.Data, err)
			}
		}
	}
}

func TestAPFXThatCannotBeUsedIsToldByItsKey(t *testing.T) {
	pfx, _ := exported(t, pkcs12.Modern, "secret-word")
	certificate, key, err := halibut.NewIdentity("both", halibut.ECDSA)
	if err != nil {
		t.Fatal(err)
	}
	for want, data := range map[string]map[string][]byte{
		"identity.pfx has a password; set it in the key password":                                                {KeyPFX: pfx},
		"identity.pfx cannot be decrypted with the password in the key password":                                 {KeyPFX: pfx, KeyPassword: []byte("wrong-word")},
		"identity.pfx cannot be read as PFX":                                                                     {KeyPFX: []byte("confidential")},
		"it contains both identity.pfx and tls.crt":                                                              {KeyPFX: pfx, corev1.TLSCertKey: certificate, corev1.TLSPrivateKeyKey: key},
		"it does not contain a certificate and its key, as PEM in tls.crt and tls.key or as PFX in identity.pfx": {KeyPassword: []byte("secret-word")},
	} {
		c, store := cluster(t)
		give(t, c, "shop", data)
		_, err := store().For(t.Context(), "shop")
		if !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "Secret mantle-identity-shop: "+want) {
			t.Errorf("%q expected, got %v", want, err)
			continue
		}
		for _, secret := range []string{"confidential", "secret-word", "wrong-word"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the message gives away %q: %v", secret, err)
			}
		}
	}
}

// slow is a store that opens PFX only once the gate is open, and how often it began to.
func slow(t *testing.T, decryptTimeout time.Duration) (s *Store, want halibut.Thumbprint, gate chan struct{}, began chan struct{}) {
	t.Helper()
	c, store := cluster(t)
	pfx, want := exported(t, pkcs12.Modern, "")
	give(t, c, "shop", map[string][]byte{KeyPFX: pfx})
	gate, began = make(chan struct{}), make(chan struct{}, 10)
	s = store()
	open := s.decode
	s.decryptTimeout, s.decode = decryptTimeout, func(pfx []byte, password string) (tls.Certificate, error) {
		began <- struct{}{}
		<-gate
		return open(pfx, password)
	}
	return s, want, gate, began
}

// The machine of the operator may be busy for a moment: the PFX is as good as ever.
func TestAPFXThatTookLongIsUsedOnceItIsOpen(t *testing.T) {
	s, want, gate, began := slow(t, time.Millisecond)
	for range 3 {
		if _, err := s.For(t.Context(), "shop"); !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "identity.pfx: decrypting it takes longer") {
			t.Fatalf("got %v", err)
		}
	}
	close(gate)
	deadline := time.Now().Add(time.Minute)
	for {
		got, err := s.For(t.Context(), "shop")
		if err == nil && got.Thumbprint == want {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("it is open, and still: %v", err)
		}
		time.Sleep(time.Millisecond)
	}
	if len(began) != 1 {
		t.Errorf("it was opened %d times", len(began))
	}
}

func TestNoNamespaceWaitsForThePFXOfAnother(t *testing.T) {
	s, _, gate, began := slow(t, time.Minute)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	shop := make(chan error, 1)
	go func() { _, err := s.For(ctx, "shop"); shop <- err }()
	<-began
	bank := make(chan error, 1)
	go func() { _, err := s.For(ctx, "bank"); bank <- err }()
	select {
	case err := <-bank:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("bank waits for shop")
	}
	close(gate)
	if err := <-shop; err != nil {
		t.Error(err)
	}
}
