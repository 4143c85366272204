package tentacletest

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
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

// PlayRecordings plays what Octopus's own client once sent to a listener, with the recorded pauses, and holds
// its answers to those of Octopus's own listener: their shapes and types, the scripts' states, exit codes and
// whole output, the files and the errors. What is another listener's own may differ: times, ids, paths, lines
// of the launcher, further capabilities. start gets the thumbprint of the one operator to trust and is called
// for each recording. The recordings of script service V1 are left out, and what they say of it.
func PlayRecordings(t *testing.T, start func(t *testing.T, trusted halibut.Thumbprint) Listener) {
	names, err := filepath.Glob(filepath.Join(recordings(t), "*.json"))
	if err != nil || len(names) == 0 {
		t.Fatalf("finding the recordings: %v", err)
	}
	for _, name := range names {
		short := strings.TrimSuffix(filepath.Base(name), ".json")
		if strings.HasPrefix(short, "v1") {
			continue
		}
		t.Run(short, func(t *testing.T) {
			t.Parallel()
			play(t, name, start)
		})
	}
}

// recordings finds the folder of the recordings from wherever in the module the test runs.
func recordings(t *testing.T) string {
	t.Helper()
	folder, err := os.Getwd()
	for err == nil {
		here := filepath.Join(folder, "api", "halibut", "testdata", "recordings")
		if _, missing := os.Stat(here); missing == nil {
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
	if r.ClientCertificate == "stranger" {
		certificate, _ = NewCertificate(t, "Recorded Stranger")
	}
	config := &tls.Config{
		InsecureSkipVerify: true,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &certificate, nil
		},
		MinVersion: tls.VersionTLS12,
	}
	if r.TLS == "TLSv1.2" {
		config.MaxVersion = tls.VersionTLS12
	}
	s := &story{T: t, told: newTale(recordedHome), heard: newTale(listener.Home)}
	for i, c := range r.Connections {
		if i > 0 {
			time.Sleep(reconnects)
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

// story is the state of a playback: what was told in the recording, and what was heard now.
type story struct {
	*testing.T
	told, heard *tale
	conn        *tls.Conn
	reader      *bufio.Reader
	// asked is the last request, whose answer comes next.
	asked element
	over  bool
}

func (s *story) connection(conn *tls.Conn, steps []recordedStep) { //nolint:cyclop // the steps of a recording, in their order
	s.Helper()
	s.conn, s.reader, s.over = conn, bufio.NewReader(conn), false
	before := int64(0)
	for i := 0; i < len(steps) && !s.over; i++ {
		step := steps[i]
		if gap := time.Duration(step.MS-before) * time.Millisecond; step.From == "client" && gap > pace && i > 0 {
			time.Sleep(gap)
		}
		before = step.MS
		switch {
		case step.Event == "close" && step.From == "client":
			return
		case step.Event == "close":
			s.closes()
		case step.From == "client":
			s.say(step)
		default:
			last := i
			for last+1 < len(steps) && steps[last+1].From == "server" && steps[last+1].Hex != "" {
				last++
			}
			s.answer(steps[i : last+1])
			i, before = last, steps[last].MS
		}
	}
}

// closes waits for the listener to close without another word.
func (s *story) closes() {
	s.Helper()
	s.over = true
	_ = s.conn.SetReadDeadline(time.Now().Add(patience))
	b, err := s.reader.ReadByte()
	if err == nil {
		s.Fatalf("the listener should have closed, and said %q", b)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.Fatalf("the listener should have closed, and was silent")
	}
}

func (s *story) say(step recordedStep) {
	s.Helper()
	record := s.bytes(step)
	if document, message, ok := request(record); ok {
		s.asked = message
		if message.member("method").text == "CompleteScript" {
			s.finish(message)
		}
		ticket, last, has := asksAfter(message)
		if has {
			record = deflate(withLast(document, s.heard.translate(s.told, ticket, last)))
		}
	}
	s.write(record)
}

func (s *story) write(record []byte) {
	s.Helper()
	_ = s.conn.SetWriteDeadline(time.Now().Add(patience))
	if _, err := s.conn.Write(record); err != nil {
		// Who is refused may hear of it while still speaking.
		s.Logf("writing: %v", err)
	}
}

// answer reads as many utterances as the recorded records hold and compares each.
func (s *story) answer(steps []recordedStep) {
	s.Helper()
	var all []byte
	lost := false
	for _, step := range steps {
		all = append(all, s.bytes(step)...)
		lost = lost || step.Lost
	}
	recorded := bufio.NewReader(bytes.NewReader(all))
	for {
		if _, err := recorded.Peek(1); errors.Is(err, io.EOF) {
			return
		}
		want, err := hear(recorded)
		if err != nil {
			s.Fatalf("reading the recording: %v", err)
		}
		got := s.listen()
		if lost {
			continue
		}
		if want.control != got.control {
			s.Fatalf("the listener said %q, recorded is %q", got.control, want.control)
		}
		if want.control == "" {
			s.told.take(s.asked, want)
			s.heard.take(s.asked, got)
			s.compare(want, got)
		}
	}
}

func (s *story) listen() utterance {
	s.Helper()
	_ = s.conn.SetReadDeadline(time.Now().Add(patience))
	got, err := hear(s.reader)
	if err != nil {
		s.Fatalf("after the call of %s: %v", s.asked.member("method").text, err)
	}
	return got
}

// finish polls until the script that is about to be completed has ended, if it had in the recording.
func (s *story) finish(message element) {
	s.Helper()
	ticket := ticketOf(message)
	if !s.told.ended(ticket) {
		return
	}
	deadline := time.Now().Add(patience)
	for !s.heard.ended(ticket) {
		if time.Now().After(deadline) {
			s.Fatalf("the script of %s does not end", ticket)
		}
		time.Sleep(20 * time.Millisecond)
		s.poll(ticket)
	}
}

// poll asks for a status that the recorded client did not ask for, between its NEXT and its request.
func (s *story) poll(ticket string) {
	s.Helper()
	asked := statusRequest(ticket, s.heard.last(ticket))
	s.write(deflate(asked))
	got := s.listen()
	parsed, err := parseBSON(asked)
	if err != nil {
		s.Fatal(err)
	}
	s.heard.take(parsed.member("Message"), got)
	s.write([]byte("NEXT\r\n"))
	if proceed := s.listen(); proceed.control != "PROCEED" {
		s.Fatalf("after NEXT the listener said %+v", proceed)
	}
}

func (s *story) bytes(step recordedStep) []byte {
	s.Helper()
	b, err := hex.DecodeString(step.Hex)
	if err != nil {
		s.Fatalf("reading the recording: %v", err)
	}
	return b
}
