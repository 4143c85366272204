//go:build linux

package main

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/mantledeploy/mantle/agent/internal/octopus/octopustest"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
)

// octopusTentacle writes the files of an installed Octopus Tentacle on Linux, in the form that a version of it
// uses, and returns its folder.
func octopusTentacle(t *testing.T, form string, machine tls.Certificate, port string, servers string) (folder string) {
	t.Helper()
	folder = t.TempDir()
	pfx, err := pkcs12.LegacyDES.Encode(machine.PrivateKey, machine.Leaf, nil, "") // as .NET does
	if err != nil {
		t.Fatal(err)
	}
	key, vector, text := strings.Repeat("k", 32), strings.Repeat("v", 16), base64.StdEncoding.EncodeToString(pfx)
	value := map[string]string{
		"machine-id":      octopustest.CBC(t, octopustest.MachineID, octopustest.Vector, text),
		"machinekey":      octopustest.CBC(t, key, vector, text),
		"machinekey-2026": octopustest.GCM(t, key, text),
	}[form]
	for name, text := range map[string]string{
		"machine-id": octopustest.MachineID + "\n",
		"machinekey": base64.StdEncoding.EncodeToString([]byte(key)) + "." + base64.StdEncoding.EncodeToString([]byte(vector)),
		"config": octopustest.File("Octopus.Home", folder, "Tentacle.Certificate", value,
			"Tentacle.CertificateThumbprint", string(halibut.SHA1Thumbprint(machine.Leaf)),
			"Tentacle.Communication.TrustedOctopusServers", servers,
			"Tentacle.Services.ListenIP", "127.0.0.1", "Tentacle.Services.PortNumber", port),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// Neither side has to change a pin: the daemon shows the thumbprint that servers know it by, on the port
// that they dial, and obeys those that it obeyed before.
func TestATakenOverTentacleIsKnownAndObeysAsBefore(t *testing.T) {
	for _, form := range []string{"machine-id", "machinekey", "machinekey-2026"} {
		t.Run(form, func(t *testing.T) {
			machine, pin := tentacletest.NewCertificate(t, "Octopus Tentacle")
			server, listening := tentacletest.NewCertificate(t, "Octopus Portal")
			stranger, polling := tentacletest.NewCertificate(t, "a server that was polled")
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			e := halibut.Endpoint{Address: l.Addr().String(), Thumbprint: pin}
			_ = l.Close()
			folder := octopusTentacle(t, form, machine, e.Address[strings.LastIndex(e.Address, ":")+1:], octopustest.Servers(string(listening), string(polling)))
			home := filepath.Join(t.TempDir(), "home")
			ask(t, home, "import", "--octopus", filepath.Join(folder, "config"),
				"--machine-id-file", filepath.Join(folder, "machine-id"), "--machine-key-file", filepath.Join(folder, "machinekey"))
			start(t, home, e)
			c := operator(t, e, server)
			startScript(t, c, "taken-over", "echo obeyed")
			if code, out := finish(t, c, "taken-over"); code != 0 || out != "obeyed" {
				t.Errorf("a script ended with %d and said %q", code, out)
			}
			_, err = operator(t, e, stranger).GetCapabilities(t.Context())
			if connect, ok := errors.AsType[*halibut.ConnectError](err); !ok || connect.Stage != halibut.OperatorNotTrusted {
				t.Errorf("a server that was polled: %v", err)
			}
		})
	}
}

// A daemon goes on with the identity that it was started with, and the next one shows the new one.
func TestANewIdentityTakesEffectWithTheNextDaemon(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	a, trusted := tentacletest.NewCertificate(t, "operator")
	e := initialise(t, home, trusted)
	p := start(t, home, e)
	ask(t, home, "certificate", "new")
	if _, err := operator(t, e, a).GetCapabilities(t.Context()); err != nil {
		t.Errorf("the daemon that runs: %v", err)
	}
	p.kill()
	<-p.ended
	var shown struct {
		SHA256 halibut.Thumbprint `json:"sha256"`
	}
	if err := json.Unmarshal(output(t, "show", "--json", "--home", home), &shown); err != nil {
		t.Fatal(err)
	}
	start(t, home, e)
	_, err := operator(t, e, a).GetCapabilities(t.Context())
	if connect, ok := errors.AsType[*halibut.ConnectError](err); !ok || connect.Stage != halibut.ThumbprintMismatch {
		t.Errorf("the next daemon with the former thumbprint: %v", err)
	}
	e.Thumbprint = shown.SHA256
	if _, err := operator(t, e, a).GetCapabilities(t.Context()); err != nil {
		t.Errorf("the next daemon: %v", err)
	}
}
