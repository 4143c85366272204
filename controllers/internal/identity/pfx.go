package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"software.sslmate.com/src/go-pkcs12"
)

// The keys of a Secret with an imported identity as PFX.
const (
	KeyPFX      = "identity.pfx"
	KeyPassword = "password"
)

// decryptTimeout is how long to wait for the decryption of a PFX, which can require billions of rounds.
const decryptTimeout = 10 * time.Second

// opened is the content of a PFX. It is kept in memory, because decryption is slow by design.
type opened struct {
	content [sha256.Size]byte
	// until is how long callers wait; a later result is used by later calls.
	until time.Time
	// done is closed when pair and err are set.
	done chan struct{}
	pair tls.Certificate
	err  error
}

// pair reads the certificate and its key from a Secret, as PFX or as PEM. The errors name the Secret's keys and do not
// contain their values.
func (s *Store) pair(of *space, secret *corev1.Secret) (tls.Certificate, error) {
	pfx := secret.Data[KeyPFX]
	if len(pfx) == 0 {
		pair, err := tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
		if err != nil {
			return pair, fmt.Errorf("it does not contain a certificate and its key, as PEM in %s and %s or as PFX in %s: %w", corev1.TLSCertKey, corev1.TLSPrivateKeyKey, KeyPFX, err)
		}
		return pair, nil
	}
	if len(secret.Data[corev1.TLSCertKey])+len(secret.Data[corev1.TLSPrivateKeyKey]) > 0 {
		return tls.Certificate{}, fmt.Errorf("it contains both %s and %s; remove one of them", KeyPFX, corev1.TLSCertKey)
	}
	password := strings.TrimRight(string(secret.Data[KeyPassword]), "\r\n") // a password from a file often ends with a newline
	return s.open(of, pfx, password).wait()
}

// open starts to decrypt a PFX, or returns the decryption that another caller started.
func (s *Store) open(of *space, pfx []byte, password string) *opened {
	content := sha256.Sum256([]byte(password + "\x00" + string(pfx)))
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := of.opened; o != nil && o.content == content {
		return o
	}
	o := &opened{content: content, until: time.Now().Add(s.decryptTimeout), done: make(chan struct{})}
	of.opened = o
	go func() { // decryption cannot be cancelled
		defer close(o.done)
		o.pair, o.err = s.decode(pfx, password)
	}()
	return o
}

// wait waits for the decryption until o.until.
func (o *opened) wait() (tls.Certificate, error) {
	select {
	case <-o.done:
		return o.pair, o.err
	default:
	}
	timer := time.NewTimer(time.Until(o.until))
	defer timer.Stop()
	select {
	case <-o.done:
		return o.pair, o.err
	case <-timer.C:
		return tls.Certificate{}, fmt.Errorf("%s: decrypting it takes longer than %s; wait, or export it again with fewer iterations", KeyPFX, decryptTimeout)
	}
}

func decode(pfx []byte, password string) (tls.Certificate, error) {
	key, first, others, err := pkcs12.DecodeChain(pfx, password)
	if err != nil {
		return tls.Certificate{}, pfxError(err, password)
	}
	return match(key, append([]*x509.Certificate{first}, others...))
}

func pfxError(err error, password string) error {
	wrong := errors.Is(err, pkcs12.ErrIncorrectPassword) || errors.Is(err, pkcs12.ErrDecryption)
	switch {
	case wrong && password == "":
		return fmt.Errorf("%s has a password; set it in the key %s", KeyPFX, KeyPassword)
	case wrong:
		return fmt.Errorf("%s cannot be decrypted with the password in the key %s", KeyPFX, KeyPassword)
	case strings.Contains(err.Error(), "private key missing"):
		return fmt.Errorf("%s contains no private key; export it together with its key", KeyPFX)
	default:
		return fmt.Errorf("%s cannot be read as PFX (PKCS #12): %w", KeyPFX, err)
	}
}

// match returns the certificate in a chain that belongs to the key.
func match(key any, certificates []*x509.Certificate) (tls.Certificate, error) {
	switch key.(type) {
	case *rsa.PrivateKey, *ecdsa.PrivateKey:
	default:
		return tls.Certificate{}, fmt.Errorf("%s: its key has a type (%T) that Tentacles do not support; use RSA or ECDSA", KeyPFX, key)
	}
	signer, _ := key.(crypto.Signer)
	for _, c := range certificates {
		if public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool }); ok && public.Equal(c.PublicKey) {
			return tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key, Leaf: c}, nil
		}
	}
	return tls.Certificate{}, fmt.Errorf("%s: its private key belongs to none of its certificates", KeyPFX)
}
