package target

import (
	"crypto/x509"
	"strings"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// commands are what to run on a machine.
type commands struct{ start, show, trust string }

// octopusSubject is in the subject of the certificate that an Octopus Tentacle makes for itself.
const octopusSubject = "Octopus Tentacle"

// commandsFor returns the commands of the machine's Tentacle: Mantle's or Octopus's, or both if it is not known whose it is.
func commandsFor(f facts, presented *x509.Certificate) commands {
	mantle := commands{start: "tentacle run", show: "`tentacle show`", trust: "tentacle trust add " + string(f.Want.machine.Identity.Thumbprint)}
	octopus := commands{start: "Tentacle service --start", show: "`Tentacle show-thumbprint`", trust: "Tentacle configure --trust " + sha1Of(f.Want.machine.Identity)}
	known := f.Target.Status.Tentacle
	switch {
	case presented != nil && strings.Contains(presented.Subject.CommonName, octopusSubject), known != nil && known.Flavor == v1alpha1.FlavorOctopus:
		return octopus
	case known != nil && known.Flavor == v1alpha1.FlavorMantle:
		return mantle
	default:
		either := func(ours, theirs string) string { return ours + ", or, if it is Octopus's, " + theirs }
		return commands{either(mantle.start, octopus.start), either(mantle.show, octopus.show), either(mantle.trust, octopus.trust)}
	}
}

// sha1Of returns the SHA-1 thumbprint of the operator, as Octopus's Tentacles know no other.
func sha1Of(identity *session.Identity) string {
	if len(identity.Certificate.Certificate) == 0 {
		return string(identity.Thumbprint)
	}
	return string(halibut.SHA1Thumbprint(&x509.Certificate{Raw: identity.Certificate.Certificate[0]}))
}
