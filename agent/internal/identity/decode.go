package identity

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"software.sslmate.com/src/go-pkcs12"
)

const (
	// MaxFile is the largest file that an identity is read of, in bytes.
	MaxFile = 1 << 20
	// maxCertificates is how many certificates a PEM file may hold: the machine's, and a chain that is not used.
	maxCertificates = 100
	// patience is how long a password may be worked on: a hostile PFX asks for billions of rounds.
	patience = time.Minute
	// minRSA and maxRSA are the sizes of RSA keys, in bits, that peers take.
	minRSA, maxRSA = 1024, 8192
)

// What Decode fails with when the caller can do something about it.
var (
	// ErrPassword is a PFX that the given password does not open.
	ErrPassword = errors.New("the password is not that of the file")
	// ErrEncryptedKey is a PEM file whose key is encrypted.
	ErrEncryptedKey = errors.New("its private key is encrypted, and keys in PEM are taken in plain only; pack it into a PFX, which can have a password " +
		"(openssl pkcs12 -export -in FILE -out identity.pfx), or decrypt it (openssl pkey -in FILE -out plain.pem)")
	// ErrNoKey is a file that holds no private key.
	ErrNoKey = errors.New("there is no private key in it; export it together with its key, or name the key's own file with --key")
)

// Pair is a certificate and its private key.
type Pair struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
}

// Decode reads an identity of the content of a file: PFX, the base64 of PFX, or PEM. password is that of a PFX
// and is not used otherwise. It fails with ErrPassword, ErrEncryptedKey or ErrNoKey, or says what is wrong.
func Decode(ctx context.Context, data []byte, password string) (Pair, error) {
	if len(data) > MaxFile {
		return Pair{}, fmt.Errorf("it is longer than %d bytes, which no identity is", MaxFile)
	}
	if bytes.Contains(data, []byte("-----BEGIN ")) {
		return decodePEM(data)
	}
	if len(data) == 0 || data[0] != 0x30 { // no DER
		text := strings.Join(strings.Fields(strings.TrimPrefix(string(data), "\ufeff")), "")
		der, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(der) == 0 || der[0] != 0x30 {
			return Pair{}, errors.New("it is neither PFX (PKCS #12) nor PEM; save it in one of these forms where it is in use, with its key")
		}
		data = der
	}
	return decodePFX(ctx, data, password)
}

// decodePFX lets ctx and patience end the wait for a file that asks for too much work.
func decodePFX(ctx context.Context, data []byte, password string) (Pair, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("working on its password takes longer than %s; let the program that made it export it anew", patience))
	defer cancel()
	type answer struct {
		pair Pair
		err  error
	}
	done := make(chan answer, 1)
	go func() { // cannot be stopped; it ends with the command
		key, first, others, err := pkcs12.DecodeChain(data, password)
		if err != nil {
			done <- answer{err: pfxError(err)}
			return
		}
		p, err := match(key, append([]*x509.Certificate{first}, others...))
		done <- answer{p, err}
	}()
	select {
	case a := <-done:
		return a.pair, a.err
	case <-ctx.Done():
		return Pair{}, context.Cause(ctx)
	}
}

func pfxError(err error) error {
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword), errors.Is(err, pkcs12.ErrDecryption):
		return ErrPassword
	case strings.Contains(err.Error(), "private key missing"):
		return ErrNoKey
	case strings.Contains(err.Error(), "x509: "):
		return fmt.Errorf("reading PFX: %w; %s", err, newOne)
	default:
		return fmt.Errorf("reading PFX: %w", err)
	}
}

// newOne is the remedy for a certificate that peers could not read either.
const newOne = "'tentacle certificate new' makes one that operators can read"

func decodePEM(data []byte) (Pair, error) {
	var found contents
	for len(data) > 0 {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if err := found.add(block); err != nil {
			return Pair{}, err
		}
	}
	switch {
	case len(found.certificates) == 0:
		return Pair{}, errors.New("there is no certificate in it; name a file that has one, and where this is its key, name this one with --key")
	case found.key == nil:
		return Pair{}, ErrNoKey
	}
	return match(found.key, found.certificates)
}

// contents are what a PEM file holds.
type contents struct {
	certificates []*x509.Certificate
	key          any
}

func (f *contents) add(block *pem.Block) (err error) {
	switch {
	case block.Type == "CERTIFICATE":
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("reading certificate: %w; %s", err, newOne)
		}
		if f.certificates = append(f.certificates, c); len(f.certificates) > maxCertificates {
			return fmt.Errorf("it holds more than %d certificates; keep the machine's own", maxCertificates)
		}
	case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
		return ErrEncryptedKey
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		if f.key != nil {
			return errors.New("it holds more than one private key; keep the machine's own")
		}
		f.key, err = parseKey(block)
	}
	return err
}

func parseKey(block *pem.Block) (key any, err error) {
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, fmt.Errorf("reading private key: %w", err)
	}
	return key, nil
}

// match finds the certificate of key, wherever in a chain it lies, and checks that operators can talk to it.
func match(key any, certificates []*x509.Certificate) (Pair, error) {
	signer, err := usable(key)
	if err != nil {
		return Pair{}, err
	}
	for _, c := range certificates {
		if public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool }); ok && public.Equal(c.PublicKey) {
			return Pair{Certificate: c, Key: signer}, nil
		}
	}
	return Pair{}, errors.New("its private key belongs to none of its certificates; take the key that the certificate was made for")
}

func usable(key any) (crypto.Signer, error) {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if bits := k.N.BitLen(); bits < minRSA || bits > maxRSA {
			return nil, fmt.Errorf("its RSA key has %d bits, and peers take %d to %d; 'tentacle certificate new' makes one that suits", bits, minRSA, maxRSA)
		}
		return k, nil
	case *ecdsa.PrivateKey:
		return k, nil
	default:
		return nil, fmt.Errorf("its key is of a kind (%T) that Octopus's peers do not understand; use RSA or ECDSA, as 'tentacle certificate new' does", key)
	}
}
