package tentacletest

import (
	"bufio"
	"bytes"
	"compress/flate"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// Flood is a Tentacle that answers as Octopus's does, with all the output that is new in one answer, and that needs no memory
// for it: a script's output is a number of equal lines, and some last ones. It has script service V2 alone, and obeys everybody.
type Flood struct {
	// Facts are what it tells of itself.
	Facts tentacle.Facts
	// Line is each of the equal lines that a script writes.
	Line string
	// Script is called when a script is to start, once for each ticket. It returns how many equal lines the script writes, and
	// the lines after them.
	Script func(FloodScript) (lines int, last []string)
}

// FloodScript is what a Flood was sent.
type FloodScript struct {
	Ticket string
	// Bash is its text, and Files are the files that came with it, by name.
	Bash  string
	Files map[string][]byte
}

// flooding is a Flood with the scripts that it was sent.
type flooding struct {
	Flood
	mu      sync.Mutex
	scripts map[string]written
}

// written is what a script wrote: a number of equal lines, and the last ones.
type written struct {
	lines int
	last  []string
}

// StartFlood lets a Flood listen until the test ends.
func StartFlood(t testing.TB, f Flood) halibut.Endpoint {
	t.Helper()
	certificate, _ := NewCertificate(t, "Flood")
	l, err := tls.Listen("tcp", Loopback(), &tls.Config{Certificates: []tls.Certificate{certificate}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatalf("listening: %v", err)
	}
	flooding := &flooding{Flood: f, scripts: map[string]written{}}
	var work sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[c] = true
			mu.Unlock()
			work.Go(func() {
				defer c.Close()
				_ = flooding.serve(c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		work.Wait()
	})
	return halibut.Endpoint{Address: l.Addr().String(), Thumbprint: halibut.SHA1Thumbprint(certificate.Leaf)}
}

// serve answers one connection until its peer has enough.
func (f *flooding) serve(c net.Conn) error {
	r := bufio.NewReader(c)
	for range 4 { // the initial request, and the client's name
		if _, err := r.ReadString('\n'); err != nil {
			return err
		}
	}
	if _, err := io.WriteString(c, "MX-SERVER 1.0\r\n\r\n"); err != nil {
		return err
	}
	for {
		asked, err := hear(r)
		if err != nil {
			return err
		}
		if err := f.answer(c, asked); err != nil {
			return err
		}
		if line, err := r.ReadString('\n'); err != nil || strings.TrimSpace(line) != "NEXT" {
			return err
		}
		if _, err := io.WriteString(c, "PROCEED\r\n"); err != nil {
			return err
		}
	}
}

// answer answers one request.
func (f *flooding) answer(to io.Writer, asked utterance) error {
	request := asked.message
	param := request.member("params", "0")
	switch method := request.member("method").text; method {
	case "GetCapabilities":
		list := element{name: "SupportedCapabilities", kind: bsonArray}
		facts := f.Facts
		facts.Services = []string{tentacle.ScriptServiceV2Name, tentacle.FileTransferServiceName}
		for i, capability := range facts.Response().SupportedCapabilities {
			list.members = append(list.members, text(strconv.Itoa(i), capability))
		}
		return f.write(to, request, folded("result", text("$type", tentacle.CapabilitiesResponseV2{}.HalibutType()), list), 0)
	case "StartScript":
		ticket := param.member("ScriptTicket", "TaskId").text
		f.begin(ticket, param, asked.streams)
		return f.status(to, request, ticket, tentacle.Running, written{}, 0)
	case "GetStatus":
		ticket, last := param.member("Ticket", "TaskId").text, int(param.member("LastLogSequence").number)
		f.mu.Lock()
		all := f.scripts[ticket]
		f.mu.Unlock()
		rest := all.last[min(max(last-all.lines, 0), len(all.last)):]
		return f.status(to, request, ticket, tentacle.Complete, written{max(all.lines-last, 0), rest}, all.lines+len(all.last))
	case "CompleteScript":
		return f.write(to, request, element{name: "result", kind: bsonNull}, 0)
	default:
		return fmt.Errorf("a Flood has no method %q", method)
	}
}

// begin lets a script write, unless it has.
func (f *flooding) begin(ticket string, command element, streams [][]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, known := f.scripts[ticket]; known {
		return
	}
	script := FloodScript{Ticket: ticket, Bash: command.member("Scripts", tentacle.BashScript).text, Files: map[string][]byte{}}
	for i, file := range command.member("Files").members {
		if i < len(streams) {
			script.Files[file.member("Name").text] = streams[i]
		}
	}
	lines, last := f.Script(script)
	f.scripts[ticket] = written{lines, last}
}

// status answers the state of a script, and what is new of its output.
func (f *flooding) status(to io.Writer, request element, ticket string, state tentacle.ProcessState, output written, next int) error {
	logs := element{name: "Logs", kind: bsonArray}
	for i, line := range output.last {
		logs.members = append(logs.members, f.entry(strconv.Itoa(i), line))
	}
	return f.write(to, request, folded("result", text("$type", tentacle.ScriptStatusResponseV2{}.HalibutType()),
		folded("Ticket", text("TaskId", ticket)), logs, long("NextLogSequence", int64(next)),
		element{name: "State", kind: bsonInt32, number: float64(state)}, element{name: "ExitCode", kind: bsonInt32}), output.lines)
}

func (f *flooding) entry(name, line string) element {
	return folded(name, element{name: "Source", kind: bsonInt32, number: float64(tentacle.StdOut)},
		element{name: "Occurred", kind: bsonDate, number: float64(time.Now().UnixMilli())}, text("Text", line))
}

// write writes a response as it is made: lines come first in its list.
func (f *flooding) write(to io.Writer, request, result element, lines int) error {
	item := folded("", f.entry("0", f.Line)).document()
	item = item[4 : len(item)-1]
	document := folded("", folded("Message", text("$type", "Halibut.Transport.Protocol.ResponseMessage, Halibut"),
		text("id", request.member("id").text), element{name: "error", kind: bsonNull}, result)).document()
	at := len(document)
	if lines > 0 {
		for _, name := range []string{"", "Message", "result", "Logs"} {
			at = 0
			if name != "" {
				at = bytes.Index(document, append([]byte(name), 0)) + len(name) + 1
			}
			size := document[at : at+4]
			binary.LittleEndian.PutUint32(size, binary.LittleEndian.Uint32(size)+uint32(lines*len(item)))
		}
		at += 4
	}
	buffered := bufio.NewWriterSize(to, 64<<10)
	w, err := flate.NewWriter(buffered, flate.BestSpeed)
	if err != nil {
		return err
	}
	_, err = w.Write(document[:at])
	for range lines {
		if err != nil {
			return err
		}
		_, err = w.Write(item)
	}
	_, rest := w.Write(document[at:])
	return errors.Join(err, rest, w.Close(), buffered.Flush())
}
