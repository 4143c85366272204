package octopus

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mantledeploy/mantle/agent/internal/octopus/octopustest"
)

// pfx begins as every PFX does.
var pfx = []byte("\x30\x82a PFX, which this package does not look into")

func parse(t testing.TB, keys ...string) Config {
	t.Helper()
	c, err := Parse([]byte(octopustest.File(keys...)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// servers are one that calls, one that is called, and one that calls, as older versions write it.
var servers = strings.TrimSuffix(octopustest.Servers("36F35047CE8B000CF4C671819A2DD1AFCDE3403D", "1111111111111111111111111111111111111111"), "]") +
	`,{"Thumbprint":"2222222222222222222222222222222222222222","CommunicationStyle":"TentaclePassive"}]`

func TestAConfigurationIsReadAsOctopusWritesIt(t *testing.T) {
	c := parse(t, "Octopus.Home", "/etc/octopus/default", "Tentacle.CertificateThumbprint", strings.Repeat("AB", 20),
		"Tentacle.Communication.TrustedOctopusServers", servers, "Tentacle.Deployment.ApplicationDirectory", "/home/Octopus/Applications",
		"Tentacle.Services.ListenIP", "fd00::1", "Tentacle.Services.NoListen", "False", "Tentacle.Services.PortNumber", "10940", "Tentacle.Unknown", "x")
	want := Config{
		Home: "/etc/octopus/default", Applications: "/home/Octopus/Applications", ListenIP: "fd00::1", Port: 10940,
		Thumbprint: "ABABABABABABABABABABABABABABABABABABABAB",
		Listening:  []Server{{Thumbprint: "36F35047CE8B000CF4C671819A2DD1AFCDE3403D"}, {Thumbprint: "2222222222222222222222222222222222222222"}},
		Polling:    []Server{{Thumbprint: "1111111111111111111111111111111111111111", Address: "https://octopus:10943/"}},
	}
	if diff := cmp.Diff(want, c, cmp.AllowUnexported(Config{})); diff != "" {
		t.Error(diff)
	}
	if got := c.Listen(); got != "[fd00::1]:10940" {
		t.Errorf("it listens on %s", got)
	}
	if c := parse(t, "Tentacle.Services.NoListen", "true"); c.Listen() != ":10933" || !c.NoListen {
		t.Errorf("the defaults are %+v", c)
	}
}

func TestWhatIsWrongWithAConfigurationIsNamed(t *testing.T) {
	for want, data := range map[string][]byte{
		"not the XML":                     []byte("{}"),
		"expected element type":           []byte("<configuration/>"),
		"unexpected EOF":                  []byte(octopustest.File())[:60],
		"longer than":                     make([]byte, MaxFile+1),
		"PortNumber: \"70000\" is no p":   []byte(octopustest.File("Tentacle.Services.PortNumber", "70000")),
		"ListenIP: \"web-1\" is no IP":    []byte(octopustest.File("Tentacle.Services.ListenIP", "web-1")),
		"NoListen: \"maybe\"":             []byte(octopustest.File("Tentacle.Services.NoListen", "maybe")),
		"CertificateThumbprint":           []byte(octopustest.File("Tentacle.CertificateThumbprint", "x")),
		"TrustedOctopusServers: it is no": []byte(octopustest.File("Tentacle.Communication.TrustedOctopusServers", "{")),
		"40 hex digits":                   []byte(octopustest.File("Tentacle.Communication.TrustedOctopusServers", `[{"Thumbprint":"zz","CommunicationStyle":1}]`)),
	} {
		if _, err := Parse(data); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v; want %q", data, err, want)
		}
	}
}

// keys are those of a machine: its id, and a generated key.
func keys(t testing.TB) (id, generated Key) {
	t.Helper()
	id, err := MachineID("machine-id", []byte(octopustest.MachineID+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))) + "." + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("v", 16)))
	if generated, err = MachineKey("machinekey", []byte(text)); err != nil {
		t.Fatal(err)
	}
	return id, generated
}

// cbc encrypts as the machine with this key would.
func cbc(t testing.TB, k Key, text string) string {
	t.Helper()
	return octopustest.CBC(t, string(k.key), string(k.vector), text)
}

func TestACertificateIsOpenedWithTheKeyOfItsMachine(t *testing.T) {
	id, generated := keys(t)
	text := base64.StdEncoding.EncodeToString(pfx)
	for name, value := range map[string]string{
		"machine id":                   octopustest.CBC(t, octopustest.MachineID, octopustest.Vector, text),
		"generated key":                cbc(t, generated, text),
		"generated key, authenticated": octopustest.GCM(t, string(generated.key), text),
	} {
		for order, keys := range map[string][]Key{"one way": {id, generated}, "the other": {generated, id}} {
			got, err := parse(t, "Tentacle.Certificate", value).PFX(keys...)
			if err != nil || string(got) != string(pfx) {
				t.Errorf("%s, keys %s: %q, %v", name, order, got, err)
			}
		}
	}
}

// The value of OpenSSL for the same key, so that the cipher is not only compared with itself:
// printf '%s' MIIBAA== | openssl enc -aes-256-cbc -K $(printf %s "$id" | xxd -p -c 64) -iv $(printf 743677397A244326 | xxd -p) -base64
func TestTheCipherIsThatOfOthers(t *testing.T) {
	id, _ := keys(t)
	got, err := parse(t, "Tentacle.Certificate", "pfFWTi1zydHARTS9rRpB4w==").PFX(id)
	if err != nil || string(got) != "\x30\x82\x01\x00" {
		t.Errorf("%x, %v", got, err)
	}
}

func TestWhatDoesNotOpenHasItsOwnSentence(t *testing.T) {
	id, generated := keys(t)
	text := base64.StdEncoding.EncodeToString(pfx)
	wrong := Key{strings.Repeat("w", 32), []byte(strings.Repeat("w", 32)), id.vector}
	garbage := cbc(t, id, "no base64, but well padded")
	for name, c := range map[string]struct {
		value string
		keys  []Key
		want  error
		says  []string
	}{
		"none":                     {"", []Key{id}, ErrNoCertificate, []string{"tentacle init"}},
		"no key":                   {cbc(t, wrong, text), nil, ErrNoKey, []string{"--machine-id-file"}},
		"not base64":               {"%%%", []Key{id}, ErrNotEncrypted, []string{"cut off"}},
		"cut off":                  {cbc(t, id, text)[:24], []Key{id}, ErrNotEncrypted, []string{"backup"}},
		"wrong key":                {cbc(t, wrong, text), []Key{id}, ErrPadding, []string{"with machine-id", "--machine-key-file"}},
		"wrong keys":               {cbc(t, wrong, text), []Key{id, generated}, ErrPadding, []string{"with machine-id", "with machinekey"}},
		"no certificate inside":    {garbage, []Key{id}, ErrWrongKey, []string{"no certificate"}},
		"wrong key, authenticated": {octopustest.GCM(t, wrong.Source, text), []Key{generated}, ErrWrongKey, []string{"with machinekey"}},
		"cut off, authenticated":   {protectedPrefix + "AAAA", []Key{generated}, ErrNotEncrypted, nil},
		"Windows":                  {base64.StdEncoding.EncodeToString(append(dpapi, "rest"...)), []Key{id}, ErrWindows, []string{"PowerShell", "ProtectedData", "certificate import"}},
	} {
		_, err := parse(t, "Tentacle.Certificate", c.value).PFX(c.keys...)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v; want %v", name, err, c.want)
			continue
		}
		for _, says := range c.says {
			if !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v; want %q", name, err, says)
			}
		}
	}
}

func TestAFileThatHoldsNoKeyIsNamed(t *testing.T) {
	if _, err := MachineID("/x/id", []byte("short\n")); err == nil || !strings.Contains(err.Error(), "/x/id") || !strings.Contains(err.Error(), "5 characters") {
		t.Errorf("%v", err)
	}
	for _, text := range []string{"", "x", "a.b", base64.StdEncoding.EncodeToString(make([]byte, 31)) + "." + base64.StdEncoding.EncodeToString(make([]byte, 16))} {
		if _, err := MachineKey("/x/key", []byte(text)); err == nil || !strings.Contains(err.Error(), "/x/key") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzConfiguration(f *testing.F) {
	id, generated := keys(f)
	text := base64.StdEncoding.EncodeToString(pfx)
	f.Add([]byte(octopustest.File("Tentacle.Certificate", cbc(f, id, text), "Tentacle.Communication.TrustedOctopusServers", servers)))
	f.Add([]byte(octopustest.File("Tentacle.Certificate", octopustest.GCM(f, string(generated.key), text), "Tentacle.Services.PortNumber", "10933")))
	f.Add([]byte(octopustest.File("Tentacle.Certificate", base64.StdEncoding.EncodeToString(dpapi))))
	f.Add([]byte("<octopus-settings><set key='Tentacle.Certificate'>AAAA</set></octopus-settings>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse(data)
		if err != nil {
			return
		}
		if c.Port == 0 || strings.ContainsAny(c.Listen(), " \n") {
			t.Errorf("it would listen on %q", c.Listen())
		}
		if got, err := c.PFX(id, generated); err == nil && got[0] != 0x30 {
			t.Errorf("%x is taken for a PFX", got)
		}
	})
}
