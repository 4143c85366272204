package tentacletest

import (
	"crypto/tls"
	"testing"

	"github.com/mantledeploy/mantle/api/halibut"
)

// NewCertificate makes an identity for an operator or a Tentacle, and its SHA-1 thumbprint.
func NewCertificate(t testing.TB, commonName string) (tls.Certificate, halibut.Thumbprint) {
	t.Helper()
	certPEM, keyPEM, err := halibut.NewIdentity(commonName, halibut.ECDSA)
	if err != nil {
		t.Fatalf("making the identity %s: %v", commonName, err)
	}
	c, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatalf("reading the identity %s: %v", commonName, err)
	}
	return c, halibut.SHA1Thumbprint(c.Leaf)
}
