package halibut

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"
)

// entry is an item of a log, as answers have many.
type entry struct {
	Source   int32     `bson:"Source"`
	Occurred time.Time `bson:"Occurred"`
	Text     string    `bson:"Text"`
}

// report is a result with a log.
type report struct {
	Logs []entry `bson:"Logs"`
	Next int64   `bson:"Next"`
}

func (report) HalibutType() string { return "Test.Contracts.Report, Test.Contracts" }

// reportOf serves reports.
func reportOf(t *testing.T, r report) (*Client, Endpoint) {
	t.Helper()
	l := start(t, func(c *ServerConfig) {
		c.Services = append(c.Services, Service{Name: "IReport", Methods: []Method{
			Method0("Get", func(context.Context) (report, error) { return r, nil }),
			Method0("Fail", func(context.Context) (report, error) { return r, FinalError{Err: errors.New("never")} }),
		}})
	})
	return l.dial(t, func(c *ClientConfig) { c.MaxMessage = 1 << 20 }), l.endpoint
}

// What is passed on item by item is what the whole would have been, and the rest of the result is there.
func TestItemsArePassedOnInTheirOrder(t *testing.T) {
	sent := report{Next: 7}
	for n := range 20_000 {
		sent.Logs = append(sent.Logs, entry{int32(n % 2), time.Unix(int64(n), 0).UTC(), strings.Repeat("ü", n%300)})
	}
	c, ep := reportOf(t, sent)
	var got report
	var items []entry
	each := EachItem("Logs", func(e entry, more bool) error {
		if items = append(items, e); more {
			t.Errorf("item %d goes on", len(items))
		}
		return nil
	})
	if err := c.Call(t.Context(), ep, Call{Service: "IReport", Method: "Get", Result: &got, Items: each}); err != nil {
		t.Fatal(err)
	}
	if got.Next != 7 || len(got.Logs) != 0 || fmt.Sprint(items) != fmt.Sprint(sent.Logs) {
		t.Errorf("%d items and %+v", len(items), got)
	}
	var server *ServerError
	if err := c.Call(t.Context(), ep, Call{Service: "IReport", Method: "Fail", Result: &got, Items: each}); !errors.As(err, &server) {
		t.Errorf("a failure is %v", err)
	}
	full := errors.New("full")
	refuse := EachItem("Logs", func(entry, bool) error { return full })
	if err := c.Call(t.Context(), ep, Call{Service: "IReport", Method: "Get", Result: &got, Items: refuse}); !errors.Is(err, full) {
		t.Errorf("an error of pass is %v", err)
	}
}

// A text of any length comes in pieces of whole characters.
func TestALongItemIsPassedInPieces(t *testing.T) {
	long := "x" + strings.Repeat("€", MaxPiece)
	sent := report{Logs: []entry{{1, time.Unix(1, 0).UTC(), long}, {0, time.Unix(2, 0).UTC(), "short"}}}
	c, ep := reportOf(t, sent)
	var got report
	var texts []string
	pieces := 0
	each := EachItem("Logs", func(e entry, more bool) error {
		if pieces++; e.Source == 1 && (len(e.Text) > MaxPiece || e.Occurred.Unix() != 1) {
			t.Errorf("a piece of %d bytes, %v", len(e.Text), e.Occurred)
		}
		if len(texts) == 0 {
			texts = []string{""}
		}
		if texts[len(texts)-1] += e.Text; !more {
			texts = append(texts, "")
		}
		return nil
	})
	if err := c.Call(t.Context(), ep, Call{Service: "IReport", Method: "Get", Result: &got, Items: each}); err != nil {
		t.Fatal(err)
	}
	if len(texts) != 3 || texts[0] != long || texts[1] != "short" || pieces != 5 {
		t.Errorf("%d texts in %d pieces", len(texts), pieces)
	}
}

// endless is a listener whose answer has a list of n entries; it does not hold it itself.
func endless(t *testing.T, n int, text string) (*Client, Endpoint) {
	t.Helper()
	certificate, own := identity(t, ECDSA), identity(t, ECDSA)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}, ClientAuth: tls.RequireAnyClientCert})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		r := bufio.NewReader(conn)
		for range 4 {
			if _, err := r.ReadString('\n'); err != nil {
				return
			}
		}
		_, _ = io.WriteString(conn, "MX-SERVER 1.0\r\n\r\n")
		if _, err := newCodec().inflate(r, 1<<20); err != nil {
			return
		}
		writeReport(conn, n, text)
		_, _ = io.Copy(io.Discard, r)
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	c := NewClient(ClientConfig{Certificate: own, RetryInterval: time.Millisecond})
	t.Cleanup(c.Close)
	return c, Endpoint{Address: l.Addr().String(), Thumbprint: thumbprintOf(t, certificate)}
}

// writeReport writes a response whose list has n entries.
func writeReport(to io.Writer, n int, text string) {
	item := compose([]member{{"0", []member{{"Source", int32(1)}, {"Text", text}}}})
	item = item[4 : len(item)-1]
	whole := compose([]member{{"Message", []member{{"$type", responseType}, {"id", "x"}, {"error", nil},
		{"result", []member{{"$type", report{}.HalibutType()}, {"Logs", list{}}, {"Next", int64(n)}}}}}})
	// Its three documents around the list, and the list itself, are longer by the items.
	at := bytes.Index(whole, []byte("Logs\x00")) + len("Logs\x00")
	more := uint32(n * len(item))
	for _, size := range []int{0, bytes.Index(whole, []byte("Message\x00")) + len("Message\x00"), bytes.Index(whole, []byte("result\x00")) + len("result\x00"), at} {
		binary.LittleEndian.PutUint32(whole[size:], binary.LittleEndian.Uint32(whole[size:])+more)
	}
	buffered := bufio.NewWriterSize(to, 1<<16)
	w, _ := flate.NewWriter(buffered, flate.BestSpeed)
	_, _ = w.Write(whole[:at+4])
	for range n {
		if _, err := w.Write(item); err != nil {
			return
		}
	}
	_, _ = w.Write(whole[at+4:])
	_ = w.Close()
	_ = buffered.Flush()
}

// A machine may answer with any amount: it passes, and takes little memory.
func TestAResponseOfAnySizeIsReadInLittleMemory(t *testing.T) {
	const large, size = 16 << 20, 256 << 20
	for name, length := range map[string]int{"lines": 32 << 10, "long lines": large} {
		t.Run(name, func(t *testing.T) {
			c, ep := endless(t, size/length, strings.Repeat("x", length))
			var got report
			var before, now runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			passed, most, ended := 0, uint64(0), 0
			each := EachItem("Logs", func(e entry, more bool) error {
				if passed += len(e.Text); !more {
					ended++
				}
				if passed%(64<<20) < MaxPiece {
					runtime.ReadMemStats(&now)
					most = max(most, now.HeapAlloc)
				}
				return nil
			})
			err := c.Call(t.Context(), ep, Call{Service: "IReport", Method: "Get", Result: &got, Items: each})
			if err != nil || passed != size || ended != size/length || got.Next != int64(ended) {
				t.Fatalf("%d bytes in %d lines passed, %+v: %v", passed, ended, got, err)
			}
			if limit := before.HeapAlloc + 32<<20; most > limit {
				t.Errorf("%d MiB were in memory", most>>20)
			}
		})
	}
}

// What a hostile machine says of the sizes in its answer is not believed.
func TestItemsThatContradictTheirSizes(t *testing.T) {
	whole := compose([]member{{"Message", []member{{"$type", responseType}, {"id", "x"}, {"error", nil},
		{"result", []member{{"$type", report{}.HalibutType()}, {"Logs", list{[]member{{"Text", "one"}}, nil, []member{{"Text", "two"}}}}, {"Next", int64(3)}}}}}})
	read := func(document []byte) (texts []string, err error) {
		each := EachItem("Logs", func(e entry, _ bool) error {
			texts = append(texts, e.Text)
			return nil
		})
		rest, err := readItems(bufio.NewReader(bytes.NewReader(document[4:])), int64(binary.LittleEndian.Uint32(document)), each)
		if err != nil {
			return texts, err
		}
		var got report
		return texts, decodeResponse(newDecoder(len(rest)), rest, &got)
	}
	if texts, err := read(whole); err != nil || strings.Join(texts, ",") != "one,,two" {
		t.Fatalf("%q, %v", texts, err)
	}
	for at := range len(whole) - 4 {
		for _, number := range []uint32{0, 3, 0x7fffffff, math.MaxUint32, uint32(len(whole))} {
			broken := bytes.Clone(whole)
			binary.LittleEndian.PutUint32(broken[at:], number)
			if texts, _ := read(broken); len(texts) > 3 {
				t.Errorf("%d items with %#x at %d", len(texts), number, at)
			}
			_, _ = read(append(broken[:at:at], 0, 0, 0, 0, 0))
		}
	}
}
