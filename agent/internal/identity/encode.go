package identity

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/mantledeploy/mantle/api/halibut"
)

// rounds is how much work guessing a password costs for each guess.
const rounds = 100_000

// commonName is the subject of a machine's certificate. Peers look at its thumbprint only.
const commonName = "Mantle Tentacle"

// New makes an identity: ECDSA P-256, or RSA-2048 for operators on .NET Framework.
func New(rsa bool) (Pair, error) {
	kind := halibut.ECDSA
	if rsa {
		kind = halibut.RSA
	}
	certificate, key, err := halibut.NewIdentity(commonName, kind)
	if err != nil {
		return Pair{}, err
	}
	return decodePEM(append(certificate, key...))
}

// PFX writes the pair, encrypted by password with what is taken for strong today; legacy writes what Windows
// before Server 2019 reads, which is weak.
func (p Pair) PFX(password string, legacy bool) ([]byte, error) {
	encoder := pkcs12.Modern.WithIterations(rounds)
	if legacy {
		encoder = pkcs12.LegacyDES
	}
	data, err := encoder.Encode(p.Key, p.Certificate, nil, password)
	if err != nil {
		return nil, fmt.Errorf("encoding PFX: %w", err)
	}
	return data, nil
}

// PEM writes certificate and key (PKCS #8, in plain) apart.
func (p Pair) PEM() (certificate, key []byte, err error) {
	der, err := x509.MarshalPKCS8PrivateKey(p.Key)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding private key: %w", err)
	}
	certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate.Raw})
	return certificate, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
