package cli

import (
	"encoding/base64"
	"os"
	"strings"
	"testing"

	"github.com/mantledeploy/mantle/agent/internal/identity"
	"github.com/mantledeploy/mantle/agent/internal/octopus/octopustest"
	"github.com/mantledeploy/mantle/api/halibut"
)

// octopusConfig is the configuration of an Octopus Tentacle with the identity p and these settings.
func octopusConfig(t *testing.T, p identity.Pair, settings ...string) string {
	t.Helper()
	pfx, err := p.PFX("", true)
	if err != nil {
		t.Fatal(err)
	}
	value := octopustest.CBC(t, octopustest.MachineID, octopustest.Vector, base64.StdEncoding.EncodeToString(pfx))
	return octopustest.File(append(settings, "Tentacle.Certificate", value)...)
}

func octopusIdentity(t *testing.T) (identity.Pair, halibut.Thumbprint, halibut.Thumbprint) {
	t.Helper()
	p, err := identity.New(true)
	if err != nil {
		t.Fatal(err)
	}
	sha1, sha256 := thumbprintsOf(p)
	return p, sha1, sha256
}

func TestAnOctopusTentacleIsTakenOver(t *testing.T) {
	r := newRig(t)
	p, sha1, sha256 := octopusIdentity(t)
	file := r.file("tentacle.config", octopusConfig(t, p,
		"Tentacle.Services.PortNumber", "10940", "Tentacle.Services.ListenIP", "127.0.0.1", "Tentacle.CertificateThumbprint", string(sha1),
		"Tentacle.Communication.TrustedOctopusServers", octopustest.Servers(sha1a, sha1b)))
	args := []string{"import", "--octopus", file, "--machine-id-file", r.file("machine-id", octopustest.MachineID+"\n"), "--machine-key-file", r.beside("none")}

	wants := []string{string(sha256), string(sha1), "127.0.0.1:10940", "trusts      " + sha1a, "left out    " + sha1b + " https://octopus:10943/", "never dials"}
	contains(t, r.must(append(args, "--dry-run")...), append(wants, "Nothing is changed")...)
	if _, err := os.Lstat(r.home); !os.IsNotExist(err) {
		t.Errorf("--dry-run made something: %v", err)
	}

	r.must("init", "--trust", "sha256:"+strings.Repeat("ab", 32), "--log-level", "debug")
	former := r.show()
	contains(t, r.must(args...), append(wants, "identities", "port 10940", "tentacle run")...)
	s := r.show()
	if s.SHA256 != sha256 || s.Listen != "127.0.0.1:10940" || len(s.Operators) != 2 || s.Operators[1].Thumbprint != sha1a {
		t.Errorf("before %+v\nafter %+v", former, s)
	}
	if config, err := os.ReadFile(r.home + "/.tentacle/config.yaml"); err != nil || !strings.Contains(string(config), `"debug"`) {
		t.Errorf("other settings are lost: %s, %v", config, err)
	}
	contains(t, r.must(args...), "Taken over.") // it can be repeated
	if again := r.show(); again.SHA256 != sha256 || len(again.Operators) != 2 {
		t.Errorf("repeated: %+v", again)
	}
}

func TestATakeoverThatFailsChangesNothingAndSaysWhy(t *testing.T) {
	p, _, _ := octopusIdentity(t)
	whole := octopusConfig(t, p)
	for name, c := range map[string]struct {
		config, id string
		exit       int
		want       []string
	}{
		"no file":          {"", octopustest.MachineID, ExitUsage, []string{"tentacle.config"}},
		"another machine":  {whole, strings.Repeat("f", 32), ExitFailed, []string{"does not fit", "--machine-id-file"}},
		"no id":            {whole, "", ExitFailed, []string{"no key of the machine", "has 0 characters"}},
		"not XML":          {"Octopus", octopustest.MachineID, ExitFailed, []string{"not the XML", "list-instances"}},
		"other thumbprint": {octopusConfig(t, p, "Tentacle.CertificateThumbprint", sha1a), octopustest.MachineID, ExitFailed, []string{sha1a, "show-thumbprint"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			file := r.beside("tentacle.config")
			if c.config != "" {
				r.file("tentacle.config", c.config)
			}
			exit, _, stderr := r.call("import", "--octopus", file, "--machine-id-file", r.file("machine-id", c.id), "--machine-key-file", r.beside("none"))
			if exit != c.exit {
				t.Errorf("exit code %d, want %d", exit, c.exit)
			}
			contains(t, stderr, c.want...)
			if _, err := os.Lstat(r.home); !os.IsNotExist(err) {
				t.Errorf("something was made: %v", err)
			}
		})
	}
	exit, _, stderr := newRig(t).call("import")
	if exit != ExitUsage {
		t.Errorf("exit code %d", exit)
	}
	contains(t, stderr, "--octopus FILE", "certificate import")
}
