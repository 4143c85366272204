package daemon

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"runtime"

	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/api/step"
)

const (
	goos, goarch  = runtime.GOOS, runtime.GOARCH
	engineVersion = step.Version
	// instanceName is what the reference calls the Tentacle of a machine that has one.
	instanceName = "Tentacle"
)

// environment is what every script gets beside the daemon's own environment: what that lacks of a login, as systemd gives a
// service of root no HOME, the variables that scripts
// written for Octopus look for (halibut.md section 6.4), without those of its proxy, and the engine. apart says that they run as another user than the daemon.
func environment(h home.Home, executable, version string, id *Identity, apart bool) []string {
	folder, journals := filepath.Dir(executable), h.Dir()
	if apart { // whose account cannot make files in the home itself
		journals = h.Applications()
	}
	all := [][2]string{
		{step.EnvTentacleHome, h.Dir()},
		{"TentacleApplications", h.Applications()},
		{"TentacleJournal", filepath.Join(journals, "DeploymentJournal.xml")},
		{"CalamariPackageRetentionJournalPath", filepath.Join(journals, "PackageRetentionJournal.json")},
		{"TentacleInstanceName", instanceName},
		{"TentacleVersion", version},
		{"TentacleNetFrameworkDescription", runtime.Version()}, // what it really runs on
		{"TentacleExecutablePath", executable},
		{"TentacleProgramDirectoryPath", folder},
		{"AgentProgramDirectoryPath", folder},
		{"TentacleCertificateSignatureAlgorithm", signature(id.Certificate.Leaf)},
		{step.EnvEngine, executable},
	}
	env := make([]string, 0, len(all))
	for _, e := range all {
		env = append(env, e[0]+"="+e[1])
	}
	return append(env, process.Login(os.Environ())...)
}

// signature names a certificate's algorithm as .NET does.
func signature(c *x509.Certificate) string {
	switch c.SignatureAlgorithm {
	case x509.ECDSAWithSHA256:
		return "sha256ECDSA"
	case x509.SHA256WithRSA:
		return "sha256RSA"
	case x509.SHA1WithRSA:
		return "sha1RSA"
	default:
		return c.SignatureAlgorithm.String()
	}
}
