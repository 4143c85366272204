package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// lifetime of the certificates: a kept control plane is for days, not for years.
const lifetime = 365 * 24 * time.Hour

// pki names the files that the servers read. A kept folder has them already, and then they stay, so that kubeconfigs
// and service account tokens remain good.
type pki struct {
	caCert, serverCert, serverKey, adminCert, adminKey, accountKey string
}

// preparePKI makes, where they are missing, a certificate authority whose key is forgotten at once, the API server's
// certificate for 127.0.0.1, an administrator's certificate, and the key that signs service account tokens.
func preparePKI(dir string) (pki, error) {
	dir = filepath.Join(dir, "pki")
	p := pki{
		caCert:     filepath.Join(dir, "ca.crt"),
		serverCert: filepath.Join(dir, "server.crt"), serverKey: filepath.Join(dir, "server.key"),
		adminCert: filepath.Join(dir, "admin.crt"), adminKey: filepath.Join(dir, "admin.key"),
		accountKey: filepath.Join(dir, "accounts.key"),
	}
	if exists(p.accountKey) { // written last
		return p, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return p, fmt.Errorf("making the folder of the keys: %w", err)
	}
	if err := p.make(); err != nil {
		return p, fmt.Errorf("making keys and certificates: %w", err)
	}
	return p, nil
}

func (p pki) make() error {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	ca := template("controlplane-ca")
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature
	if err := sign(ca, ca, caKey.Public(), caKey, p.caCert); err != nil {
		return err
	}

	server := template("kube-apiserver")
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	server.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	server.DNSNames = []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
	if err := issue(server, ca, caKey, p.serverCert, p.serverKey); err != nil {
		return err
	}

	admin := template("admin")
	admin.Subject.Organization = []string{"system:masters"}
	admin.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if err := issue(admin, ca, caKey, p.adminCert, p.adminKey); err != nil {
		return err
	}

	accounts, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	return writeKey(accounts, p.accountKey)
}

// template returns what all certificates have in common.
func template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Minute),
		NotAfter:     time.Now().Add(lifetime),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
}

// issue makes a new key and a certificate for it.
func issue(t, ca *x509.Certificate, caKey crypto.Signer, certFile, keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if err := writeKey(key, keyFile); err != nil {
		return err
	}
	return sign(t, ca, key.Public(), caKey, certFile)
}

func sign(t, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer, file string) error {
	der, err := x509.CreateCertificate(rand.Reader, t, parent, pub, key)
	if err != nil {
		return err
	}
	return writeFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func writeKey(key *ecdsa.PrivateKey, file string) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writeFile(file, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
}

// writeKubeconfig writes a kubeconfig for the administrator that needs no other file.
func (p pki) writeKubeconfig(file, server string) error {
	cluster, user := clientcmdapi.NewCluster(), clientcmdapi.NewAuthInfo()
	cluster.Server = server
	for from, to := range map[string]*[]byte{
		p.caCert:    &cluster.CertificateAuthorityData,
		p.adminCert: &user.ClientCertificateData,
		p.adminKey:  &user.ClientKeyData,
	} {
		data, err := os.ReadFile(from)
		if err != nil {
			return fmt.Errorf("reading a key: %w", err)
		}
		*to = data
	}
	const name = "controlplane"
	config := clientcmdapi.NewConfig()
	config.Clusters[name], config.AuthInfos[name] = cluster, user
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	data, err := clientcmd.Write(*config)
	if err != nil {
		return fmt.Errorf("encoding the kubeconfig: %w", err)
	}
	if err := writeFile(file, data); err != nil {
		return fmt.Errorf("writing the kubeconfig: %w", err)
	}
	return nil
}
