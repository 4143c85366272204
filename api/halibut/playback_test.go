package halibut

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// script is a listener that says what a recorded one said, and checks what it is asked.
type script struct {
	config *tls.Config
	// heard and answers are in the order of the calls.
	heard   []said
	answers [][]byte
}

// volatile are the members that differ from call to call.
func volatile(name string) bool {
	return name == "id" || name == "activityId" || name == "endpoint"
}

// play answers one connection from the recording.
func (s *script) play(socket net.Conn) error {
	secured := tls.Server(socket, s.config)
	defer secured.Close() //nolint:errcheck // the end of the test
	wire := newConn(secured, newCodec(), 10*time.Second)
	if initial, err := readInitial(wire); err != nil || initial != initialMX {
		return fmt.Errorf("initial request %q: %w", initial, err)
	}
	if err := readIdentity(wire, lineClient); err != nil {
		return err
	}
	if _, err := io.WriteString(wire, "MX-SERVER 1.0\r\n\r\n"); err != nil {
		return err
	}
	for i := 0; ; i++ {
		heard, err := s.hear(wire)
		if err != nil {
			return err
		}
		if len(heard) == 0 || i >= len(s.answers) {
			return errors.New("more calls than were recorded")
		}
		for _, h := range heard {
			want := s.heard[0]
			s.heard = s.heard[1:]
			if diff := cmp.Diff(clone(want.rendered, volatile), clone(h.rendered, volatile)); diff != "" {
				return fmt.Errorf("call %d: %s", i, diff)
			}
		}
		if _, err := wire.Write(s.answers[i]); err != nil {
			return err
		}
		switch line, err := readControl(wire); {
		case err != nil:
			return err
		case line == lineEnd:
			return nil
		case line != lineNext:
			return fmt.Errorf("%q where NEXT belongs", line)
		}
		if _, err := io.WriteString(wire, "PROCEED\r\n"); err != nil {
			return err
		}
	}
}

// hear reads a request and its data streams.
func (s *script) hear(wire *conn) ([]said, error) {
	document, err := wire.codec.inflate(wire, 64<<20)
	if err != nil {
		return nil, err
	}
	members, err := parseDocument(document)
	if err != nil {
		return nil, err
	}
	all := []said{{rendered: render(at(members, "Message"))}}
	err = frames(wire, document, func(_ string, read func() (any, error)) error {
		value, err := read()
		all = append(all, said{rendered: value})
		return err
	})
	return all, err
}

// recordedCall is a call as the recorded client made it, in our types.
type recordedCall struct {
	call    Call
	answer  []byte
	failure bool
}

// callsOf reads the calls of a connection and the wire of their answers.
func callsOf(t *testing.T, r *recording, connection int) (calls []recordedCall, heard []said) {
	t.Helper()
	whole := func() int { return 1 << 20 }
	client, err := transcript(r.bytesFrom(t, connection, "client"), "client", whole)
	if err != nil {
		t.Fatal(err)
	}
	server, err := transcript(r.bytesFrom(t, connection, "server"), "server", whole)
	if err != nil {
		t.Fatal(err)
	}
	data := r.bytesFrom(t, connection, "client")
	for _, c := range client {
		data = data[min(len(data), len(c.wire)):]
		switch {
		case c.document != nil:
			heard = append(heard, said{rendered: at(c.rendered, "message")})
			calls = append(calls, recordedCall{call: inOurTypes(t, c.document)})
		case at(c.rendered, "frame") != nil:
			heard = append(heard, said{rendered: at(c.rendered, "frame")})
			attach(t, &calls[len(calls)-1].call, c.wire)
		}
	}
	n := -1
	for _, s := range server {
		if s.document != nil {
			n++
			calls[n].failure = at(at(s.rendered, "message"), "error") != nil
		}
		if n >= 0 && at(s.rendered, "control") == nil {
			calls[n].answer = append(calls[n].answer, s.wire...)
		}
	}
	return calls, heard
}

// inOurTypes decodes a recorded request into the types of the test's contracts.
func inOurTypes(t *testing.T, document []byte) Call {
	t.Helper()
	d := newDecoder(len(document))
	r, err := decodeRequest(d, document)
	if err != nil {
		t.Fatal(err)
	}
	signature := signatures[*r.Method]
	values, err := decodeParams(d, r.Params, signature.params)
	if err != nil {
		t.Fatalf("%s: %v", *r.Method, err)
	}
	c := Call{Service: *r.Service, Method: *r.Method}
	for _, v := range values {
		c.Params = append(c.Params, v.Interface())
	}
	if signature.result != nil {
		c.Result = reflect.New(signature.result).Interface()
	}
	return c
}

// attach gives the streams of a call the content of their recorded frames.
func attach(t *testing.T, c *Call, frame []byte) {
	t.Helper()
	id, content := GUID(frame[:16]).net(), frame[24:len(frame)-8]
	for _, p := range c.Params {
		switch p := p.(type) {
		case *DataStream:
			if p.id == id {
				p.open = streamOf(content).open
			}
		case startScript:
			for _, f := range p.Files {
				if f.Contents.id == id {
					f.Contents.open = streamOf(content).open
				}
			}
		}
	}
}

// TestPlayback calls a listener that answers what a real one answered: our client's requests must be the
// recorded ones, and it must understand every answer.
func TestPlayback(t *testing.T) {
	for _, r := range recordings(t, "recordings/*.json") {
		other := strings.HasPrefix(r.Name, "v1") || strings.Contains(r.Name, "lost") || r.Name == "untrusted" || r.Name == "error-no-service"
		if other {
			continue
		}
		t.Run(r.Name, func(t *testing.T) {
			for i := range r.Connections {
				calls, heard := callsOf(t, &r, i)
				playCalls(t, r.TLS, calls, heard)
			}
		})
	}
}

func playCalls(t *testing.T, version string, calls []recordedCall, heard []said) {
	t.Helper()
	mine, theirs := identity(t, ECDSA), identity(t, RSA)
	s := &script{heard: heard, config: &tls.Config{
		Certificates: []tls.Certificate{theirs}, ClientAuth: tls.RequestClientCert, DynamicRecordSizingDisabled: true,
	}}
	if version == "TLSv1.2" {
		s.config.MaxVersion = tls.VersionTLS12
	}
	for _, c := range calls {
		s.answers = append(s.answers, c.answer)
	}
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close() //nolint:errcheck // the end of the test
	played := make(chan error, 1)
	go func() {
		accepted, err := socket.Accept()
		if err == nil {
			err = s.play(accepted)
		}
		played <- err
	}()
	spool := t.TempDir()
	c := NewClient(ClientConfig{Certificate: mine, SpoolDir: spool})
	ep := Endpoint{Address: socket.Addr().String(), Thumbprint: thumbprintOf(t, theirs)}
	for i, recorded := range calls {
		err := c.Call(t.Context(), ep, recorded.call)
		if _, failed := errors.AsType[*ServerError](err); failed != recorded.failure || !failed && err != nil {
			t.Errorf("call %d (%s): %v", i, recorded.call.Method, err)
		}
		checkAnswer(t, recorded)
	}
	c.Close()
	if err := <-played; err != nil {
		t.Error(err)
	}
	if files, err := os.ReadDir(spool); err != nil || len(files) > 0 {
		t.Errorf("%d spooled files remain (%v)", len(files), err)
	}
}

// checkAnswer encodes what the client made of an answer, and compares it with the answer.
func checkAnswer(t *testing.T, recorded recordedCall) {
	t.Helper()
	if recorded.failure {
		return
	}
	document, err := newCodec().inflate(bytes.NewReader(recorded.answer), 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	var result any
	if recorded.call.Result != nil {
		result = reflect.ValueOf(recorded.call.Result).Elem().Interface()
	}
	id := at(at(parse(t, document), "Message"), "id").(string)
	if d, ok := result.(*DataStream); ok && d != nil {
		if content := readAll(t, d); int64(len(content)) != d.Len() {
			t.Errorf("%d bytes of %d were received", len(content), d.Len())
		}
		defer d.Discard()
	}
	e, err := encodeResponse(&id, result, nil)
	if err != nil || !bytes.Equal(e.out, document) {
		t.Errorf("the answer to %s was not understood whole: %v", recorded.call.Method, err)
	}
}
