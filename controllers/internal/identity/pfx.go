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

// The keys of a Secret that holds an imported identity as PFX.
const (
	KeyPFX      = "identity.pfx"
	KeyPassword = "password"
)

// patience is how long a password may be worked on: a PFX can ask for billions of rounds.
const patience = 10 * time.Second

// opened is what a PFX was found to hold. It is kept, as opening it is work that is made to be slow.
type opened struct {
	content [sha256.Size]byte
	// until is how long anybody waits; what comes later is taken, too.
	until time.Time
	// done is closed once the others are set.
	done chan struct{}
	pair tls.Certificate
	err  error
}

// pair reads the certificate and its key from a Secret, as PFX or as PEM. The errors name the Secret's keys and tell
// nothing of their content.
func (s *Store) pair(of *space, secret *corev1.Secret) (tls.Certificate, error) {
	pfx := secret.Data[KeyPFX]
	if len(pfx) == 0 {
		pair, err := tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
		if err != nil {
			return pair, fmt.Errorf("it does not hold a certificate and its key, as PEM in %s and %s or as PFX in %s: %w", corev1.TLSCertKey, corev1.TLSPrivateKeyKey, KeyPFX, err)
		}
		return pair, nil
	}
	if len(secret.Data[corev1.TLSCertKey])+len(secret.Data[corev1.TLSPrivateKeyKey]) > 0 {
		return tls.Certificate{}, fmt.Errorf("it holds both %s and %s; take one of them out", KeyPFX, corev1.TLSCertKey)
	}
	password := strings.TrimRight(string(secret.Data[KeyPassword]), "\r\n") // which a file that it came from ends with
	return s.open(of, pfx, password).wait()
}

// open begins to open a PFX, or joins whoever did.
func (s *Store) open(of *space, pfx []byte, password string) *opened {
	content := sha256.Sum256([]byte(password + "\x00" + string(pfx)))
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := of.opened; o != nil && o.content == content {
		return o
	}
	o := &opened{content: content, until: time.Now().Add(s.patience), done: make(chan struct{})}
	of.opened = o
	go func() { // cannot be stopped
		defer close(o.done)
		o.pair, o.err = s.decode(pfx, password)
	}()
	return o
}

// wait waits for the password to be worked on, but not for long.
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
		return tls.Certificate{}, fmt.Errorf("%s: working on its password takes longer than %s; wait, or export it anew", KeyPFX, patience)
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
		return fmt.Errorf("%s has a password; give it under the key %s", KeyPFX, KeyPassword)
	case wrong:
		return fmt.Errorf("%s is not opened by what is under the key %s", KeyPFX, KeyPassword)
	case strings.Contains(err.Error(), "private key missing"):
		return fmt.Errorf("%s holds no private key; export it together with its key", KeyPFX)
	default:
		return fmt.Errorf("%s cannot be read as PFX (PKCS #12): %w", KeyPFX, err)
	}
}

// match finds the certificate of the key, wherever in a chain it lies.
func match(key any, certificates []*x509.Certificate) (tls.Certificate, error) {
	switch key.(type) {
	case *rsa.PrivateKey, *ecdsa.PrivateKey:
	default:
		return tls.Certificate{}, fmt.Errorf("%s: its key is of a kind (%T) that Tentacles do not understand; RSA and ECDSA they do", KeyPFX, key)
	}
	signer, _ := key.(crypto.Signer)
	for _, c := range certificates {
		if public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool }); ok && public.Equal(c.PublicKey) {
			return tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key, Leaf: c}, nil
		}
	}
	return tls.Certificate{}, fmt.Errorf("%s: its private key belongs to none of its certificates", KeyPFX)
}
