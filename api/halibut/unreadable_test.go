package halibut

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"strings"
	"testing"
)

// TestAPeersCertificateThatCannotBeReadIsNamed has each side show a certificate as an old generator made them.
func TestAPeersCertificateThatCannotBeReadIsNamed(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), ExtraExtensions: []pkix.Extension{
		{Id: asn1.ObjectIdentifier{2, 5, 29, 35}, Critical: true, Value: []byte{0x30, 0x03, 0x80, 0x01, 0x01}},
	}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	odd := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	for _, oldest := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		refused := make(chan error, 1)
		l := start(t, func(c *ServerConfig) {
			c.NewestTLS = oldest
			c.Refused = func(_ Peer, err error) { refused <- err }
		})
		raw, err := tls.Dial("tcp", l.endpoint.Address, &tls.Config{InsecureSkipVerify: true, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &odd, nil }})
		if err == nil {
			defer func() { _ = raw.Close() }()
		}
		if e, ok := errors.AsType[*UnreadableError](<-refused); !ok || !strings.Contains(e.Reason, "authority key identifier") || strings.Contains(e.Reason, "x509") {
			t.Errorf("the listener tells of %+v", e)
		}
	}
	machine, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{odd}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = machine.Close() }()
	go func() {
		for c, err := machine.Accept(); err == nil; c, err = machine.Accept() {
			_ = c.(*tls.Conn).HandshakeContext(t.Context())
			_ = c.Close()
		}
	}()
	l := start(t, func(*ServerConfig) {})
	_, err = l.dial(t, nil).Connect(t.Context(), Endpoint{Address: machine.Addr().String(), Thumbprint: l.endpoint.Thumbprint})
	connect, ok := errors.AsType[*ConnectError](err)
	if _, is := errors.AsType[*UnreadableError](err); !ok || !is || connect.Stage != TLSFailed || !strings.Contains(err.Error(), "authority key identifier") {
		t.Errorf("connecting to such a machine: %v", err)
	}
}
