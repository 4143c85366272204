package tentacletest

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// oddRequest is one of the requests of odd-requests.json, and what Octopus's own listener did with it.
type oddRequest struct {
	Name        string         `json:"name"`
	Certificate string         `json:"certificate"`
	Steps       []recordedStep `json:"steps"`
}

// refusals are the requests that a listener of ours ends with a line that says why, and their exit codes: a
// ticket that leaves its folder, which runs on the recorded one, and what fails there too, without a word.
var refusals = map[string]int32{"ticket with ../": tentacle.ExitBadTicket, "isolation 9": tentacle.ExitFatal}

// PlayOddRequests plays 62 good, odd and broken requests to a listener and holds it to what Octopus's own
// listener did: it answers where that answers, with an error of the same type where that has one and of the
// same finality, with the same state, exit code and output of scripts, and it closes where that closes. Where
// that is silent for ever it closes too, at once. A ticket that leaves its folder is refused. start gets the
// thumbprint of the one operator to trust, and is called once.
func PlayOddRequests(t *testing.T, start func(t *testing.T, trusted halibut.Thumbprint) Listener) {
	content, err := os.ReadFile(filepath.Join(testdata(t), "odd-requests.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all []oddRequest
	if err := json.Unmarshal(content, &all); err != nil {
		t.Fatalf("reading the odd requests: %v", err)
	}
	server, trusted := NewCertificate(t, "Recorded Server")
	stranger, _ := NewCertificate(t, "Recorded Stranger")
	certificates := map[string]*tls.Certificate{"server": &server, "stranger": &stranger, "none": nil}
	listener := start(t, trusted)
	for _, r := range all {
		t.Run(r.Name, func(t *testing.T) {
			certificate, known := certificates[r.Certificate]
			if !known {
				t.Fatalf("there is no certificate %q", r.Certificate)
			}
			conn, err := tls.Dial("tcp", listener.Address, dialling(certificate))
			if err != nil {
				t.Fatalf("connecting: %v", err)
			}
			defer func() { _ = conn.Close() }()
			s := &story{T: t, told: newTale(recordedHome), heard: newTale(listener.Home), conn: conn, reader: bufio.NewReader(conn), odd: true}
			s.playOdd(r)
		})
	}
}

// playOdd plays the steps of a request, each after the answer to those before it.
func (s *story) playOdd(r oddRequest) {
	s.Helper()
	silent := strings.HasPrefix(r.Steps[len(r.Steps)-1].Event, "silent")
	for i := 0; i < len(r.Steps); i++ {
		step := r.Steps[i]
		switch {
		case step.From == "client" && step.Event == "close":
			return
		case step.From == "client":
			s.say(step)
		case silent && s.hangsUp(), step.Event != "":
			s.closes()
			return
		case strings.HasPrefix(string(s.bytes(step)), "HTTP/"):
			s.page()
			return
		default:
			s.answer([]recordedStep{step})
		}
	}
	for name, told := range s.told.scripts {
		s.compareOdd(r, told, s.heard.scripts[name])
	}
}

// hangsUp tells whether the listener closes instead of an answer, to what the recorded one left unanswered later.
func (s *story) hangsUp() bool {
	_ = s.conn.SetReadDeadline(time.Now().Add(patience))
	_, err := s.reader.Peek(1)
	return err != nil
}

// page reads what a browser gets, to the end of the connection (halibut.md section 1.8).
func (s *story) page() {
	s.Helper()
	_ = s.conn.SetReadDeadline(time.Now().Add(patience))
	all, err := io.ReadAll(io.LimitReader(s.reader, maxDocument))
	if err != nil {
		s.Fatalf("reading the page: %v", err)
	}
	head, body, found := bytes.Cut(all, []byte("\r\n\r\n"))
	want := fmt.Sprintf("HTTP/1.0 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %d", len(body)-4)
	if !found || string(head) != want || !bytes.HasSuffix(body, []byte("\r\n\r\n")) {
		s.Errorf("a browser gets %q", all)
	}
}

// compareOdd holds the status of a script that has ended to the recorded one.
func (s *story) compareOdd(r oddRequest, want, got *script) {
	s.Helper()
	code, refused := refusals[r.Name]
	switch {
	case got == nil:
		s.Errorf("nothing was heard of a script")
	case refused:
		if got.state != tentacle.Complete || got.exitCode != code || len(got.own(tentacle.StdErr)) != 1 || len(got.own(tentacle.StdOut)) > 0 {
			s.Errorf("it should have been refused with %d: %+v", code, got)
		}
	case want.state == tentacle.Complete:
		got.compare(s.T, "it", want)
	}
}
