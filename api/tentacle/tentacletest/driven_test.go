package tentacletest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// exchange is a recorded request and what the listener made of it.
type exchange struct {
	asked utterance
	// answer is the bytes of the recorded answer, and told what is in them. Without any the listener closed.
	answer []byte
	told   utterance
}

func (x exchange) service() string { return x.asked.message.member("service").text }
func (x exchange) method() string  { return x.asked.message.member("method").text }

// drivable tells whether it is a request that our client makes: to a service that there is, by its types.
func (x exchange) drivable() bool {
	p := x.asked.message.member("params", "0")
	typed := p.kind != bsonDocument || p.member("$type").kind == bsonString
	return typed && x.service() != "INoSuchService" && x.method() != "Nope" && p.member("$type").text != "Halibut.Nothing"
}

// TestEveryRecordedTentacleIsDriven lets our client make the calls that were once made to Octopus's own listeners, of every
// generation that was recorded, and answers with the bytes that they answered.
func TestEveryRecordedTentacleIsDriven(t *testing.T) {
	driven := 0
	for _, pattern := range []string{"recordings/*.json", "recordings-old/*-listener-*.json"} {
		names, err := filepath.Glob(filepath.Join(testdata(t), pattern))
		if err != nil || len(names) == 0 {
			t.Fatalf("finding the recordings: %v", err)
		}
		for _, name := range names {
			t.Run(strings.TrimSuffix(filepath.Base(name), ".json"), func(t *testing.T) {
				r := readRecording(t, name)
				if r.ClientCertificate == "stranger" {
					driveStranger(t, r)
					return
				}
				for _, c := range r.Connections {
					all := slices.DeleteFunc(exchanges(t, c.Steps), func(x exchange) bool { return !x.drivable() })
					driven += len(all)
					drive(t, r, all)
				}
			})
		}
	}
	if driven < 60 {
		t.Errorf("only %d recorded calls were made", driven)
	}
}

func readRecording(t *testing.T, name string) recording {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var r recording
	if err := json.Unmarshal(content, &r); err != nil {
		t.Fatalf("reading %s: %v", name, err)
	}
	return r
}

// exchanges takes a recorded connection apart.
func exchanges(t *testing.T, steps []recordedStep) []exchange {
	t.Helper()
	var said, told []byte
	lost := false
	for _, s := range steps {
		b, err := hex.DecodeString(s.Hex)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case s.From == "client":
			said = append(said, b...)
		case s.Lost:
			lost = true
		case !lost:
			told = append(told, b...)
		}
	}
	_, said, found := bytes.Cut(said, []byte("MX-CLIENT 1.0\r\n\r\n"))
	if !found {
		return nil
	}
	var all []exchange
	questions, answers := bufio.NewReader(bytes.NewReader(said)), bytes.NewReader(told)
	for {
		if line, err := questions.Peek(1); err != nil || line[0] == 'E' && len(all) > 0 {
			return all // the end, or END
		}
		if next, err := questions.Peek(6); err == nil && string(next) == "NEXT\r\n" {
			_, _ = questions.Discard(len(next))
			continue
		}
		asked, err := hear(questions)
		if err != nil {
			t.Fatalf("reading what the recorded client said: %v", err)
		}
		x := exchange{asked: asked}
		x.told, x.answer = hearAnswer(answers)
		all = append(all, x)
	}
}

// hearAnswer reads the next message of a listener, with its bytes; none where the recording ends.
func hearAnswer(r *bytes.Reader) (utterance, []byte) {
	for {
		rest := make([]byte, r.Len())
		_, _ = io.ReadFull(r, rest)
		again := bufio.NewReaderSize(bytes.NewReader(rest), len(rest)+16)
		u, err := hear(again)
		if err != nil {
			return utterance{}, nil
		}
		left := again.Buffered()
		r.Reset(rest[len(rest)-left:])
		if u.control == "" {
			return u, rest[:len(rest)-left]
		}
	}
}

// drive makes the calls of a connection and holds what comes back to what was recorded.
func drive(t *testing.T, r recording, all []exchange) {
	t.Helper()
	p := &player{t: t, all: all, old: r.TLS == "TLSv1.2"}
	client := p.listen()
	for _, x := range all {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		got, err := ask(ctx, client, x)
		cancel()
		what := x.service() + "::" + x.method()
		var server *halibut.ServerError
		switch failure := x.told.message.member("error"); {
		case x.answer == nil:
			var transfer *halibut.TransferError
			if !errors.As(err, &transfer) {
				t.Errorf("%s, which the listener did not answer: %v", what, err)
			}
			return
		case !failure.isNull() && x.service() == tentacle.CapabilitiesServiceName:
			want := tentacle.CapabilitiesResponseV2{SupportedCapabilities: []string{"IScriptService", "IFileTransferService"}}
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("the capabilities of a Tentacle that has no such service: %v\n%s", err, diff)
			}
		case !failure.isNull():
			if !errors.As(err, &server) || server.Message != failure.member("message").text || server.Retryable() {
				t.Errorf("%s: %v, recorded is %q", what, err, failure.member("message").text)
			}
		case err != nil:
			t.Errorf("%s: %v", what, err)
		default:
			if diff := cmp.Diff(recorded(x), got); diff != "" {
				t.Errorf("%s (-recorded +made of it):\n%s", what, diff)
			}
		}
	}
}

// driveStranger is a listener that closes on a client which it does not trust.
func driveStranger(t *testing.T, r recording) {
	t.Helper()
	p := &player{t: t, old: r.TLS == "TLSv1.2", refuses: true}
	_, err := p.listen().GetCapabilities(t.Context())
	var connect *halibut.ConnectError
	if !errors.As(err, &connect) || connect.Stage != halibut.OperatorNotTrusted {
		t.Errorf("a listener that does not trust us: %v", err)
	}
}

// player is a recorded listener.
type player struct {
	t            *testing.T
	all          []exchange
	old, refuses bool
}

// listen answers connections until the test ends, and gives a client.
func (p *player) listen() *tentacle.Client {
	p.t.Helper()
	certificate, thumbprint := NewCertificate(p.t, "Recorded Tentacle")
	own, _ := NewCertificate(p.t, "operator")
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, ClientAuth: tls.RequestClientCert, SessionTicketsDisabled: true, MinVersion: tls.VersionTLS12}
	if p.old {
		config.MaxVersion = tls.VersionTLS12
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		p.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if err := p.serve(c); err != nil && !p.t.Failed() {
				p.t.Errorf("as the recorded listener: %v", err)
			}
		}
	}()
	wire := halibut.NewClient(halibut.ClientConfig{Certificate: own, SpoolDir: p.t.TempDir(), RetryInterval: 20 * time.Millisecond})
	p.t.Cleanup(func() {
		wire.Close()
		_ = l.Close()
		<-done
	})
	return tentacle.NewClient(wire, halibut.Endpoint{Address: l.Addr().String(), Thumbprint: thumbprint})
}

// serve plays one connection: it compares each request with the recorded one and answers with the recorded bytes.
func (p *player) serve(c net.Conn) error {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	r := bufio.NewReader(c)
	preamble := make([]byte, len("MX\n\nMX-CLIENT 1.0\r\n\r\n"))
	if _, err := io.ReadFull(r, preamble); err != nil || p.refuses {
		return nil
	}
	if _, err := io.WriteString(c, "MX-SERVER 1.0\r\n\r\n"); err != nil {
		return err
	}
	for i, x := range p.all {
		asked, err := hear(r)
		if err != nil {
			return err
		}
		if diff := cmp.Diff(comparable(x.asked), comparable(asked), cmp.AllowUnexported(element{}, utterance{})); diff != "" {
			p.t.Errorf("%s::%s is asked otherwise than it was (-recorded +now):\n%s", x.service(), x.method(), diff)
		}
		if x.answer == nil {
			return nil
		}
		if _, err := c.Write(x.answer); err != nil {
			return err
		}
		line, err := r.ReadString('\n')
		if err != nil || i == len(p.all)-1 || line != "NEXT\r\n" {
			return nil // END, or the client's end
		}
		if _, err := io.WriteString(c, "PROCEED\r\n"); err != nil {
			return err
		}
	}
	return nil
}

// comparable is what of a request must be as it was: not ids, nor to which endpoint it went.
func comparable(u utterance) utterance {
	kept := utterance{streams: u.streams}
	for _, name := range []string{"$type", "service", "method", "params"} {
		kept.message.members = append(kept.message.members, masked(u.message.member(name)))
	}
	return kept
}

// masked hides the ids of data streams.
func masked(e element) element {
	if e.kind == bsonBinary {
		e.data = nil
	}
	e.members = slices.Clone(e.members)
	for i := range e.members {
		e.members[i] = masked(e.members[i])
	}
	return e
}
