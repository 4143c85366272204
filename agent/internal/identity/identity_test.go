package identity

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/api/halibut"
)

func fixture(t testing.TB, names ...string) []byte {
	t.Helper()
	var all []byte
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data...)
	}
	return all
}

func own(t testing.TB) Pair {
	t.Helper()
	p, err := Decode(t.Context(), fixture(t, "certificate.pem", "key.pem"), "")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Each of these files was written by OpenSSL, with the ciphers that the named programs use.
func TestEveryFormThatPeopleKeepAnIdentityInIsRead(t *testing.T) {
	want := halibut.SHA1Thumbprint(own(t).Certificate)
	encoded := []byte(base64.StdEncoding.EncodeToString(fixture(t, "des-no-password.pfx")))
	wrapped := append([]byte("\ufeff"), append(encoded[:64:64], append([]byte("\r\n"), encoded[64:]...)...)...)
	for name, c := range map[string]struct {
		data     []byte
		password string
	}{
		"PFX of old Windows (RC2 and 3DES)":     {fixture(t, "rc2.pfx"), "pässword"},
		"PFX of .NET without a password (3DES)": {fixture(t, "des-no-password.pfx"), ""},
		"PFX of today with a chain (AES)":       {fixture(t, "aes-chain.pfx"), "password"},
		"base64 of a PFX, as Octopus writes it": {encoded, ""},
		"base64 with a mark and line ends":      {wrapped, ""},
		"PEM, PKCS 8":                           {fixture(t, "certificate.pem", "key.pem"), ""},
		"PEM, PKCS 1, the key first":            {fixture(t, "pkcs1.pem", "certificate.pem"), "not asked"},
	} {
		p, err := Decode(t.Context(), c.data, c.password)
		if err != nil || halibut.SHA1Thumbprint(p.Certificate) != want {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
}

func TestWhatCannotBeUsedIsRefusedWithItsReason(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edDER, err := x509.MarshalPKCS8PrivateKey(ed)
	if err != nil {
		t.Fatal(err)
	}
	edPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: edDER})
	other, err := New(false)
	if err != nil {
		t.Fatal(err)
	}
	_, foreign, err := other.PEM()
	if err != nil {
		t.Fatal(err)
	}
	certificate := fixture(t, "certificate.pem")
	trust, err := pkcs12.Modern.EncodeTrustStore([]*x509.Certificate{own(t).Certificate}, "")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"nothing":                   {nil, "neither PFX"},
		"text":                      {[]byte("hello"), "neither PFX"},
		"DER of something":          {[]byte{0x30, 0x03, 0x02, 0x01, 0x03}, "reading PFX"},
		"a cut off PFX":             {fixture(t, "des-no-password.pfx")[:500], "reading PFX"},
		"too long":                  {make([]byte, MaxFile+1), "longer than"},
		"a certificate alone":       {certificate, "no private key"},
		"a key alone":               {fixture(t, "key.pem"), "no certificate"},
		"a key that does not match": {append(bytes.Clone(certificate), foreign...), "belongs to none"},
		"two keys":                  {append(fixture(t, "key.pem", "certificate.pem"), foreign...), "more than one"},
		"an encrypted key":          {append(bytes.Clone(certificate), fixture(t, "encrypted-key.pem")...), "openssl pkcs12 -export"},
		"an encrypted key, PKCS 1":  {append(bytes.Clone(certificate), fixture(t, "encrypted-pkcs1.pem")...), "openssl pkey"},
		"a kind of key too new":     {append(bytes.Clone(certificate), edPEM...), "RSA or ECDSA"},
		"a store without a key":     {trust, "no private key"},
		"a damaged certificate":     {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}), "reading certificate"},
		"a crowd":                   {bytes.Repeat(certificate, maxCertificates+1), "more than 100"},
	} {
		if _, err := Decode(t.Context(), c.data, ""); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
	}
	if _, err := Decode(t.Context(), fixture(t, "rc2.pfx"), "wrong"); !errors.Is(err, ErrPassword) {
		t.Errorf("a wrong password: %v", err)
	}
}

// A PFX may ask for two billion rounds. Who waits for it can end the wait.
func TestAPasswordThatTakesForeverCanBeGivenUp(t *testing.T) {
	data, err := own(t).PFX("password", false)
	if err != nil {
		t.Fatal(err)
	}
	rounds := []byte{0x02, 0x03, 0x01, 0x86, 0xa0} // 100,000 as a DER integer
	if !bytes.Contains(data, rounds) {
		t.Fatal("there are no rounds in it")
	}
	hostile := bytes.ReplaceAll(data, rounds, []byte{0x02, 0x03, 0x7f, 0xff, 0xff})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Decode(ctx, hostile, "password"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	for _, kind := range []bool{false, true} {
		p, err := New(kind)
		if err != nil {
			t.Fatal(err)
		}
		if _, isRSA := p.Key.(*rsa.PrivateKey); isRSA != kind {
			t.Errorf("asked for RSA %v, got %T", kind, p.Key)
		}
		for _, legacy := range []bool{false, true} {
			data, err := p.PFX("pässword", legacy)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Decode(t.Context(), data, "pässword")
			if err != nil || !got.Certificate.Equal(p.Certificate) {
				t.Errorf("RSA %v, legacy %v: %v", kind, legacy, err)
			}
			if bytes.Contains(data, p.Certificate.Raw) {
				t.Errorf("legacy %v: the certificate is not encrypted", legacy)
			}
		}
	}
}

func TestAReplacedIdentityIsKeptAndCanBePutBack(t *testing.T) {
	h, err := home.Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	a := own(t)
	b, err := New(false)
	if err != nil {
		t.Fatal(err)
	}
	if aside, err := Replace(h, a); err != nil || aside != "" {
		t.Errorf("the first: %q, %v", aside, err)
	}
	if aside, err := Replace(h, a); err != nil || aside != "" {
		t.Errorf("the same again: %q, %v", aside, err)
	}
	aside, err := Replace(h, b)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(aside)
	if err != nil {
		t.Fatal(err)
	}
	back, err := Decode(t.Context(), data, "")
	if err != nil || !back.Certificate.Equal(a.Certificate) || !back.Key.(*rsa.PrivateKey).Equal(a.Key) {
		t.Errorf("what was kept: %v", err)
	}
	// A power cut between the two files leaves a certificate and a key that do not fit.
	certificate, _, err := a.PEM()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.Certificate(), certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	if aside, err = Replace(h, a); err != nil {
		t.Fatal(err)
	}
	if data, err = os.ReadFile(aside); err != nil || !bytes.Contains(data, []byte("PRIVATE KEY")) {
		t.Errorf("the half of it is lost: %v", err)
	}
	kept, err := os.ReadDir(filepath.Dir(aside))
	if err != nil || len(kept) != 2 {
		t.Errorf("%d identities are kept, %v", len(kept), err)
	}
	if _, elliptic := b.Key.(*ecdsa.PrivateKey); !elliptic {
		t.Errorf("%T", b.Key)
	}
}
