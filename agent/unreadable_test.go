//go:build linux

package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
)

// oddCertificate makes a certificate with one odd thing in it.
func oddCertificate(t *testing.T, odd func(*x509.Certificate), change func(der []byte) []byte) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Octopus Server"}, NotAfter: time.Now().Add(time.Hour)}
	odd(c)
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{change(der)}, PrivateKey: key}
}

// The certificates of old Octopus Servers, and some others, cannot be read: who sets the machine up has to learn of that.
func TestACertificateThatCannotBeReadIsTold(t *testing.T) {
	critical := func(id ...int) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: append(asn1.ObjectIdentifier{2, 5, 29}, id...), Critical: true, Value: []byte{0x30, 0x03, 0x80, 0x01, 0x01}}}
		}
	}
	uri := func(c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: append([]byte{0x30, 0x0a, 0x86, 0x08}, "\n://%zz["...)}}
	}
	same := func(der []byte) []byte { return der }
	curve := func(der []byte) []byte { // of the length of P-521's name
		return bytes.Replace(der, []byte{0x2b, 0x81, 0x04, 0x00, 0x23}, []byte{0x2b, 0x81, 0x04, 0x00, 0x0a}, 1)
	}
	home := filepath.Join(t.TempDir(), "home")
	_, trusted := tentacletest.NewCertificate(t, "operator")
	e := initialise(t, home, trusted)
	p := start(t, home, e)
	address := map[string]string{}
	for i, odd := range []struct {
		certificate tls.Certificate
		reason      string
	}{
		{oddCertificate(t, critical(35), same), "authority key identifier"},
		{oddCertificate(t, critical(14), same), "subject key identifier"},
		{oddCertificate(t, uri, same), "URI"},
		{oddCertificate(t, func(*x509.Certificate) {}, curve), "elliptic curve"},
	} {
		from := net.IPv4(127, 0, 9, byte(1+i))
		address[odd.reason] = from.String()
		o := &tentacletest.Operator{Identity: odd.certificate, Tentacle: e, From: from}
		for range 3 {
			if o.AtOnce(t.Context(), 1) == nil {
				t.Errorf("%s: it was let in", odd.reason)
			}
		}
	}
	for reason, from := range address {
		var line string
		eventually(t, reason+" is in the log", func() bool {
			for line = range strings.Lines(p.logged()) {
				if strings.Contains(line, from) && strings.Contains(line, reason) {
					return true
				}
			}
			return false
		})
		if !strings.Contains(line, "remedy=") || !strings.Contains(line, "new certificate") || !strings.Contains(line, "level=WARN") {
			t.Errorf("%s: the log says %s", reason, line)
		}
		if n := strings.Count(p.logged(), from); n != 1 {
			t.Errorf("%s: %d lines in the log", reason, n)
		}
	}
	eventually(t, "they are pending", func() bool { return strings.Count(ask(t, home, "trust", "pending"), "cannot be read") == len(address) })
	list := ask(t, home, "trust", "pending")
	for reason, from := range address {
		if !strings.Contains(list, from) || !strings.Contains(list, reason) || !strings.Contains(list, "give it a new one") {
			t.Errorf("%s: pending says:\n%s", reason, list)
		}
	}
	approve := command(t.Context(), "trust", "approve", "1", "--home", home)
	if out, err := approve.CombinedOutput(); err == nil || !strings.Contains(string(out), "give that operator a new one") {
		t.Errorf("approving one: %v, %s", err, out)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	told := map[string]int64{}
	for _, line := range audited(t, home) {
		if line.Decision == "refused" && strings.Contains(line.Reason, "cannot be read (") && strings.Contains(line.Reason, "a new one") {
			told[line.Peer] += line.Count
		}
	}
	for reason, from := range address {
		if told[from] != 3 {
			t.Errorf("%s: the audit log tells of %d attempts", reason, told[from])
		}
	}
}
