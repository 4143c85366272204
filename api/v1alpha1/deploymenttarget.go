package v1alpha1

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// DefaultPort is where a Tentacle listens unless the address says otherwise.
const DefaultPort = 10933

// HostPort is the address to dial: spec.address with the default port where it names none. The error names the
// field and says what to write.
func (s DeploymentTargetSpec) HostPort() (string, error) {
	host, port := s.Address, strconv.Itoa(DefaultPort)
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	} else if h, p, err := net.SplitHostPort(s.Address); err == nil {
		host, port = h, p
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || host == "" {
		return "", fmt.Errorf("spec.address: %q has no port from 1 to 65535; write host, host:port or [IPv6]:port", s.Address)
	}
	return net.JoinHostPort(host, port), nil
}

// PinnedCertificate is the certificate that the machine presented, where it is the one that spec.thumbprint pins
// today; otherwise nil.
func (t *DeploymentTarget) PinnedCertificate() *TargetCertificate {
	c := t.Status.Certificate
	if c == nil || c.SHA256 == "" {
		return nil
	}
	if strings.EqualFold(t.Spec.Thumbprint, c.SHA1) || strings.EqualFold(t.Spec.Thumbprint, c.SHA256) {
		return c
	}
	return nil
}
