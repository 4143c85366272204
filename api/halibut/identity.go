package halibut

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// KeyType is the kind of key of an identity.
type KeyType int

// The kinds of key (halibut.md section 1.3).
const (
	// ECDSA is P-256: cheap, and understood by every peer on .NET 8 or later.
	ECDSA KeyType = iota
	// RSA is RSA-2048, for a listener whose callers run on .NET Framework.
	RSA
)

// identityYears is how long a certificate is valid. Nobody looks at the dates: peers know each other by
// thumbprint.
const identityYears = 100

// NewIdentity makes a key and a self-signed certificate for it like those that Tentacles make: version 3
// without extensions, valid from yesterday for 100 years (halibut.md section 1.3). Both are returned in PEM,
// the key as PKCS #8; the pair suits tls.X509KeyPair.
func NewIdentity(commonName string, key KeyType) (certPEM, keyPEM []byte, err error) {
	signer, algorithm, err := newKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("making key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).SetUint64(1<<63-1))
	if err != nil {
		return nil, nil, fmt.Errorf("choosing serial number: %w", err)
	}
	today := time.Now().UTC().Truncate(24 * time.Hour)
	template := &x509.Certificate{
		Subject:            pkix.Name{CommonName: commonName},
		SerialNumber:       serial.Add(serial, big.NewInt(1)),
		NotBefore:          today.AddDate(0, 0, -1),
		NotAfter:           today.AddDate(identityYears, 0, 0),
		SignatureAlgorithm: algorithm,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	if err != nil {
		return nil, nil, fmt.Errorf("making certificate: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding key: %w", err)
	}
	certPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	return certPEM, keyPEM, nil
}

func newKey(key KeyType) (crypto.Signer, x509.SignatureAlgorithm, error) {
	switch key {
	case ECDSA:
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		return k, x509.ECDSAWithSHA256, err
	case RSA:
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		return k, x509.SHA256WithRSA, err
	default:
		return nil, 0, fmt.Errorf("unknown kind of key %d", key)
	}
}
