package halibut

import (
	"bytes"
	"compress/flate"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// specification returns the bytes of each hex dump in docs/halibut.md, by its heading's number; of several
// below a heading, "A.1", "A.1/2" and so on.
func specification(t testing.TB) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile("../../docs/halibut.md")
	if err != nil {
		t.Fatal(err)
	}
	dumps := map[string][]byte{}
	heading := regexp.MustCompile(`^### ([AB]\.\d+)`)
	line := regexp.MustCompile(`^([0-9a-f]{4})  ((?:[0-9a-f]{2} ?)+)`)
	section, key, n := "", "", 0
	for _, l := range strings.Split(string(text), "\n") {
		if m := heading.FindStringSubmatch(l); m != nil {
			section, n = m[1], 0
		}
		m := line.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		if m[1] == "0000" {
			n++
			key = section
			if n > 1 {
				key += "/" + string(rune('0'+n))
			}
		}
		data, err := hex.DecodeString(strings.ReplaceAll(m[2], " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		dumps[key] = append(dumps[key], data...)
	}
	return dumps
}

func ptr[T any](v T) *T { return &v }

func mustGUID(t testing.TB, s string) GUID {
	t.Helper()
	g, err := ParseGUID(s)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

const (
	vectorActivity = "0f8fad5b-d9cb-469f-a165-70867728950e"
	vectorStream   = "9a4b47b7-7463-4740-842e-eb1da0ade39b"
	vectorTicket   = "kQ3tYv0aZ0mJm1dQyJ5n4A"
)

// TestRequestVectors encodes the requests of appendix A byte for byte.
func TestRequestVectors(t *testing.T) {
	dumps := specification(t)
	ep := requestEndpoint{BaseURI: ptr("https://localhost:10933/"), Thumbprint: ptr("36F35047CE8B000CF4C671819A2DD1AFCDE3403D")}
	stream := &DataStream{id: mustGUID(t, vectorStream), length: 6}
	noTimeout, err := ParseTimeSpan("24.20:31:23.6470000")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		id   string
		call Call
	}{
		"A.4": {"IScriptServiceV2::StartScriptAsync[1] / ", Call{Service: "IScriptServiceV2", Method: "StartScript", Params: []any{startScript{
			ScriptTicket: ticket{vectorTicket}, ScriptBody: "echo hello", TaskID: "ServerTasks-1",
			DurationToWaitForScriptToFinish: ptr(TimeSpan(5 * time.Second)), ScriptIsolationMutexTimeout: noTimeout,
			IsolationMutexName: ptr("RunningScript"),
		}}}},
		"A.6": {"IScriptServiceV2::GetStatusAsync[2] / ", Call{
			Service: "IScriptServiceV2", Method: "GetStatus",
			Params: []any{&statusRequest{Ticket: ticket{vectorTicket}, LastLogSequence: 3}},
		}},
		"A.8": {"IFileTransferService::UploadFileAsync[1] / ", Call{
			Service: "IFileTransferService", Method: "UploadFile", Params: []any{"Files/hello.txt", stream},
		}},
	} {
		e, err := encodeRequest(test.id+vectorActivity, mustGUID(t, vectorActivity), ep, test.call)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(dumps[name], e.out); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if r, err := decodeRequest(newDecoder(len(e.out)), e.out); err != nil || *r.Method != test.call.Method || len(r.Params) != len(test.call.Params) {
			t.Errorf("%s: decoded as %v, %v", name, r, err)
		}
	}
}

// TestResponseVectors encodes the responses of appendix A byte for byte, and decodes them.
func TestResponseVectors(t *testing.T) {
	dumps := specification(t)
	status := scriptStatus{
		Ticket: ticket{vectorTicket}, NextLogSequence: 8, State: 2,
		Logs: []outputLine{{Occurred: time.UnixMilli(1700000000123).UTC(), Text: "hello"}},
	}
	for name, test := range map[string]struct {
		id      string
		result  any
		decoded any
		failure *ServerError
	}{
		"A.3": {
			id:      "ICapabilitiesServiceV2::GetCapabilitiesAsync[1] / 8c381b65-bb84-4e47-a84b-d665b55f8b7f",
			result:  &capabilities{[]string{"IScriptService", "IFileTransferService", "IScriptServiceV2"}},
			decoded: &capabilities{},
		},
		"A.5": {id: "IScriptServiceV2::StartScriptAsync[1] / " + vectorActivity, result: &status, decoded: &scriptStatus{}},
		"A.7": {id: "IScriptServiceV2::CompleteScriptAsync[4] / " + vectorActivity},
		"A.10": {
			id:      "IFileTransferService::UploadFileAsync[1] / " + vectorActivity,
			result:  &uploadResult{"/etc/octopus/Files/hello.txt", ptr("f572d396fae9206628714fb2ce00f72e94f2258f"), 6},
			decoded: &uploadResult{},
		},
		"A.13": {id: "IScriptService::StartScriptAsync[1] / " + vectorActivity, result: &oldTicket{"20260102030405-1-7"}, decoded: &oldTicket{}},
		"A.14": {id: "x", failure: &ServerError{
			Message: "boom", Details: targetInvocationPrefix + "\n ---> System.Exception: boom", Kind: ServiceInvocation,
		}},
		"A.15": {id: "IFoo::BarAsync[1] / " + vectorActivity, failure: &ServerError{
			Message: "Error: IFoo has not been registered through an IAutofacServiceSource",
			Details: "Octopus.Tentacle.Communications.UnknownServiceNameException: Error: IFoo has not been registered through an IAutofacServiceSource",
		}},
	} {
		e, err := encodeResponse(&test.id, test.result, test.failure)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(dumps[name], e.out); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		err = decodeResponse(newDecoder(len(e.out)), dumps[name], test.decoded)
		if failure, ok := errors.AsType[*ServerError](err); err != nil && (!ok || !cmp.Equal(failure, test.failure)) {
			t.Errorf("%s: decoded as %v", name, err)
		} else if err == nil && test.failure != nil {
			t.Errorf("%s: the error was not seen", name)
		}
		if diff := cmp.Diff(test.result, test.decoded); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestOtherVectors takes the rest of appendix A: fragments, frames, controls and compressed messages.
func TestOtherVectors(t *testing.T) {
	dumps := specification(t)
	if len(dumps) < 19 {
		t.Fatalf("only %d dumps were found in the specification", len(dumps))
	}
	for _, name := range []string{"A.1", "A.3", "A.4", "A.5", "A.6", "A.7", "A.8", "A.10", "A.11", "A.12", "A.13", "A.14", "A.15", "A.16"} {
		if !bytes.Equal(compose(parse(t, dumps[name])), dumps[name]) {
			t.Errorf("%s is not encoded again as it was", name)
		}
	}
	r, err := decodeRequest(newDecoder(1000), dumps["A.1"])
	if err != nil || *r.Service != "ICapabilitiesServiceV2" || len(r.Params) != 0 || *r.Endpoint.BaseURI != "https://localhost:10933/" {
		t.Errorf("A.1: %+v, %v", r, err)
	}
	if _, err := decodeRequest(newDecoder(1000), dumps["A.16"]); !errors.Is(err, errNullMessage) {
		t.Errorf("A.16: %v, want the null message", err)
	}
	for name, want := range map[string]string{"A.2": "A.1", "A.17": "A.7"} {
		source := bytes.NewReader(append(bytes.Clone(dumps[name]), "NEXT\r\n"...))
		got, err := newCodec().inflate(source, 1<<20)
		rest, _ := io.ReadAll(source)
		if err != nil || !bytes.Equal(got, dumps[want]) || string(rest) != "NEXT\r\n" {
			t.Errorf("%s: %v, %d bytes, rest %q", name, err, len(got), rest)
		}
	}
	var download *DataStream
	d := newDecoder(1000)
	if err := decodeResponse(d, dumps["A.11"], &download); err != nil {
		t.Fatal(err)
	}
	if err := readStreams(bytes.NewReader(dumps["A.9"]), d.streams, newSpool(t.TempDir(), 0)); err != nil {
		t.Fatal(err)
	}
	if content := readAll(t, download); download.Len() != 6 || string(content) != "hello\n" {
		t.Errorf("A.11 and A.9: %q", content)
	}
}

// recorder is a connection that keeps what is written, each write on its own.
type recorder struct {
	fragments
	writes [][]byte
}

func (*recorder) SetWriteDeadline(time.Time) error { return nil }
func (r *recorder) Write(p []byte) (int, error) {
	r.writes = append(r.writes, bytes.Clone(p))
	return len(p), nil
}

// TestSmallVectors writes what A.0 and A.9 show, each part in a record of its own.
func TestSmallVectors(t *testing.T) {
	out := &recorder{}
	wire := newConn(out, newCodec(), time.Minute)
	stream := streamOf([]byte("hello\n"))
	stream.id = mustGUID(t, vectorStream)
	if err := wire.sendStreams([]*DataStream{stream}, time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(specification(t)["A.9"], bytes.Join(out.writes, nil)); diff != "" || len(out.writes) != 4 {
		t.Errorf("A.9 in %d writes: %s", len(out.writes), diff)
	}
	abc, err := newCodec().deflate([]byte("abc"))
	if want := []byte{1, 3, 0, 0xfc, 0xff, 'a', 'b', 'c'}; err != nil || !bytes.Equal(abc, want) {
		t.Errorf("abc is deflated to % x", abc)
	}
	g := mustGUID(t, "8C381B65-bb84-4e47-a84b-d665b55f8b7f").net()
	if got := hex.EncodeToString(g[:]); got != "651b388c84bb474ea84bd665b55f8b7f" {
		t.Errorf("GUID is written as %s", got)
	}
	for _, mx := range []string{"MX\n\n", "MX\r\n\r\n"} {
		if got, err := readInitial(strings.NewReader(mx)); err != nil || got != initialMX {
			t.Errorf("%q is read as %q, %v", mx, got, err)
		}
	}
	e := &encoder{}
	root := e.begin()
	e.text("Message", strings.TrimSpace(strings.Repeat("Repeating phrase that compresses. ", 3)))
	e.end(root)
	if len(e.out) != 120 {
		t.Errorf("B.2 takes %d bytes, want 120", len(e.out))
	}
}

// TestGoldenVector decodes B.1, which real .NET wrote.
func TestGoldenVector(t *testing.T) {
	dumps := specification(t)
	source := bytes.NewReader(append(bytes.Clone(dumps["B.1"]), "NEXT\r\n"...))
	document, err := newCodec().inflate(source, 1<<20)
	if err != nil || !bytes.Equal(document, dumps["B.1/2"]) {
		t.Fatalf("inflated to %d bytes: %v", len(document), err)
	}
	if rest, _ := io.ReadAll(source); string(rest) != "NEXT\r\n" {
		t.Errorf("%q remained", rest)
	}
	err = decodeResponse(newDecoder(len(document)), document, nil)
	want := &ServerError{
		Message: "foo", Details: methodNotFoundType + ": foo", HalibutErrorType: methodNotFoundType, Kind: MethodNotFound,
	}
	if got, ok := errors.AsType[*ServerError](err); !ok || !cmp.Equal(want, got) {
		t.Errorf("decoded as %v", err)
	}
}

// TestDeflateTail checks for sizes around every bound that a reader cannot have the document without having
// read the last byte, and that our reader takes it in fragments.
func TestDeflateTail(t *testing.T) {
	c := newCodec()
	for _, size := range []int{5, 20, 8192, 16379, 16380, 16400, 65535, 65536, 65537, 300_000} {
		e := &encoder{}
		root := e.begin()
		e.binary("x", 0, bytes.Repeat([]byte("0123456789abcdef!"), size/17+1)[:max(0, size-13)])
		e.end(root)
		message, err := c.deflate(e.out)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.inflate(newConn(&fragments{data: message, next: func() int { return 7 }}, c, time.Minute), 1<<20)
		if err != nil || !bytes.Equal(got, e.out) {
			t.Errorf("size %d: %v", len(e.out), err)
		}
		short, _ := io.ReadAll(flate.NewReader(bytes.NewReader(message[:len(message)-1])))
		if len(short) >= len(e.out) {
			t.Errorf("size %d: the document was whole before the last byte", len(e.out))
		}
	}
}

// TestTimeSpansThatAreTooLong refuses what .NET refuses, and never takes it for something else.
func TestTimeSpansThatAreTooLong(t *testing.T) {
	for _, s := range []string{"10675199.02:48:05.4775808", "10675199.02:48:06", "-10675199.02:48:05.4775808", "10675200.00:00:00", "80675199.02:45:00", "99999999.23:59:59.9999999"} {
		if span, err := ParseTimeSpan(s); err == nil {
			t.Errorf("%s became %s", s, span)
		}
	}
	const longest = math.MaxInt64 / int64(tick) * int64(tick)
	for s, want := range map[string]int64{"10675199.02:48:05.4775807": longest, "-10675199.02:48:05.4775807": -longest} {
		if span, err := ParseTimeSpan(s); err != nil || int64(span) != want {
			t.Errorf("%s became %s, %v", s, span, err)
		}
	}
}
