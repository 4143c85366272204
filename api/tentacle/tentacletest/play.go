package tentacletest

import (
	"crypto/tls"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
)

// Listener is a Tentacle to play recordings to, with a fresh home.
type Listener struct {
	// Address is where it listens.
	Address string
	// Home is its home, as the paths in its answers begin.
	Home string
}

const (
	// pace is from where on a gap between two steps is part of the story.
	pace = 150 * time.Millisecond
	// reconnects is the pause that the recorded clients make before they connect again.
	reconnects = time.Second
	// patience bounds every wait for the listener.
	patience = 60 * time.Second
	// recordedHome is the home in the recordings.
	recordedHome = "/home/octopus"
)

// PlayRecordings plays what Octopus's own clients once sent to a listener, with the recorded pauses, and holds
// its answers to those of Octopus's own listener: their shapes and types, the scripts' states, exit codes and
// whole output, the files and the errors. What is another listener's own may differ: times, ids, paths, lines
// of the launcher, further capabilities. start gets the thumbprint of the one operator to trust and is called
// for each recording. The clients are today's and those of two older generations, by script service V1 and V2.
// Recordings of another listener are left out: of one that has V1 only, and of older generations.
func PlayRecordings(t *testing.T, start func(t *testing.T, trusted halibut.Thumbprint) Listener) {
	for _, pattern := range []string{"recordings/*.json", "recordings-old/*-client-*.json"} {
		names, err := filepath.Glob(filepath.Join(testdata(t), pattern))
		if err != nil || len(names) == 0 {
			t.Fatalf("finding the recordings: %v", err)
		}
		for _, name := range names {
			short := strings.TrimSuffix(filepath.Base(name), ".json")
			if strings.HasPrefix(short, "v1only-") {
				continue
			}
			t.Run(short, func(t *testing.T) {
				t.Parallel()
				play(t, name, start)
			})
		}
	}
}

// testdata finds the folder of the recordings from wherever in the module the test runs.
func testdata(t *testing.T) string {
	t.Helper()
	folder, err := os.Getwd()
	for err == nil {
		here := filepath.Join(folder, "api", "halibut", "testdata")
		if _, missing := os.Stat(filepath.Join(here, "recordings")); missing == nil {
			return here
		}
		if folder == filepath.Dir(folder) {
			break
		}
		folder = filepath.Dir(folder)
	}
	t.Fatalf("the recordings are not in this module: %v", err)
	return ""
}

// recording is the part of a recording's file that a playback needs.
type recording struct {
	TLS               string `json:"tls"`
	ClientCertificate string `json:"clientCertificate"`
	Connections       []struct {
		Steps []recordedStep `json:"steps"`
	} `json:"connections"`
}

type recordedStep struct {
	From  string `json:"from"`
	MS    int64  `json:"ms"`
	Hex   string `json:"hex"`
	Event string `json:"event"`
	Lost  bool   `json:"lost"`
}

func play(t *testing.T, name string, start func(t *testing.T, trusted halibut.Thumbprint) Listener) {
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var r recording
	if err := json.Unmarshal(content, &r); err != nil {
		t.Fatalf("reading %s: %v", name, err)
	}
	certificate, trusted := NewCertificate(t, "Recorded Server")
	listener := start(t, trusted)
	stranger := r.ClientCertificate == "stranger"
	if stranger {
		certificate, _ = NewCertificate(t, "Recorded Stranger")
	}
	config := dialling(&certificate)
	if r.TLS == "TLSv1.2" {
		config.MaxVersion = tls.VersionTLS12
	}
	s := &story{T: t, told: newTale(recordedHome), heard: newTale(listener.Home), made: map[string]string{}}
	for i, c := range r.Connections {
		if i > 0 {
			time.Sleep(reconnects)
		}
		if !stranger && !slices.ContainsFunc(c.Steps, func(s recordedStep) bool { return s.From == "server" && s.Hex != "" }) {
			continue // the recorded listener dropped it by mistake, and the client tried again
		}
		conn, err := tls.Dial("tcp", listener.Address, config)
		if err != nil {
			t.Fatalf("connecting: %v", err)
		}
		s.connection(conn, c.Steps)
		_ = conn.Close()
	}
	s.told.compare(t, s.heard)
}

// dialling is TLS as a Halibut client does it, with a certificate or without.
func dialling(certificate *tls.Certificate) *tls.Config {
	config := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}
	if certificate != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil }
	}
	return config
}
