package target

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"strings"
	"testing"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// A remedy is a command that the machine's Tentacle has: Octopus's knows others, and only the SHA-1 of a certificate.
func TestARemedyIsThatOfTheMachinesTentacle(t *testing.T) {
	operator := certificate(t)
	identity := &session.Identity{Certificate: tls.Certificate{Certificate: [][]byte{operator.Raw}}, Thumbprint: halibut.SHA256Thumbprint(operator)}
	ours := "tentacle trust add " + string(halibut.SHA256Thumbprint(operator))
	theirs := "Tentacle configure --trust " + string(halibut.SHA1Thumbprint(operator))
	of := func(flavor v1alpha1.TentacleFlavor) *v1alpha1.TentacleInfo {
		return &v1alpha1.TentacleInfo{Flavor: flavor}
	}
	octopus := &x509.Certificate{Raw: []byte("x"), Subject: pkix.Name{CommonName: "Octopus Tentacle"}}
	for name, tt := range map[string]struct {
		known        *v1alpha1.TentacleInfo
		presented    *x509.Certificate
		ours, theirs bool
	}{
		"nobody knows whose":       {nil, certificate(t), true, true},
		"known to be Mantle's":     {of(v1alpha1.FlavorMantle), certificate(t), true, false},
		"known to be Octopus's":    {of(v1alpha1.FlavorOctopus), certificate(t), false, true},
		"a certificate of Octopus": {nil, octopus, false, true},
	} {
		dt := aTarget()
		dt.Status.Tentacle = tt.known
		f := seen(dt, &result{At: noon, Err: &halibut.ConnectError{Stage: halibut.OperatorNotTrusted, Presented: tt.presented}})
		f.Want.machine.Identity = identity
		describe(f)
		message := ready(t, dt).Message
		if strings.Contains(message, ours) != tt.ours || strings.Contains(message, theirs) != tt.theirs {
			t.Errorf("%s: %s", name, message)
		}
	}
}
