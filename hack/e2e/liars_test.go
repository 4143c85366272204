//go:build linux

package e2e

import (
	"context"
	"encoding/pem"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
)

// liar is a machine that starts everything, ends nothing, and says much.
type liar struct {
	// entries are what it says each time that it is asked.
	entries []tentacle.ProcessOutput
	// pause is how long it takes to answer.
	pause time.Duration
	// jumps says that it numbers its output as no machine can.
	jumps bool
}

func newLiar(t *testing.T, l liar) string {
	t.Helper()
	certificate, _ := tentacletest.NewCertificate(t, "Liar")
	services := tentacle.Services(&l)
	server, err := halibut.NewServer(halibut.ServerConfig{Certificate: certificate, Services: services,
		Authorise: func(halibut.Peer) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	listener := listen(t)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
	})
	return listener.Addr().String() + " " + string(halibut.SHA256Thumbprint(certificate.Leaf))
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func (l *liar) answer(ctx context.Context, ticket tentacle.ScriptTicket, last int64) (tentacle.ScriptStatusResponseV2, error) {
	select {
	case <-time.After(l.pause):
	case <-ctx.Done():
	}
	next := last + int64(len(l.entries))
	if l.jumps {
		next = math.MaxInt64
	}
	return tentacle.ScriptStatusResponseV2{Ticket: ticket, State: tentacle.Running, NextLogSequence: next, Logs: l.entries}, nil
}

func (l *liar) GetCapabilities(context.Context) (tentacle.CapabilitiesResponseV2, error) {
	f := tentacle.Facts{Version: "9.9.9", OS: "linux", Arch: "amd64", Engine: step.Version, Services: tentacle.Listed(tentacle.Services(l))}
	r := f.Response()
	for range 3 {
		r.SupportedCapabilities = append(r.SupportedCapabilities, strings.Repeat("x", 1<<20), "\x1b[31m")
	}
	return r, nil
}

func (l *liar) StartScript(ctx context.Context, c tentacle.StartScriptCommandV2) (tentacle.ScriptStatusResponseV2, error) {
	return l.answer(ctx, c.ScriptTicket, 0)
}

func (l *liar) GetStatus(ctx context.Context, r tentacle.ScriptStatusRequestV2) (tentacle.ScriptStatusResponseV2, error) {
	return l.answer(ctx, r.Ticket, r.LastLogSequence)
}

func (l *liar) CancelScript(ctx context.Context, c tentacle.CancelScriptCommandV2) (tentacle.ScriptStatusResponseV2, error) {
	return l.answer(ctx, c.Ticket, c.LastLogSequence)
}

func (l *liar) CompleteScript(ctx context.Context, c tentacle.CompleteScriptCommandV2) error {
	_, err := l.answer(ctx, c.Ticket, 0)
	return err
}

func (l *liar) WaitForStatus(ctx context.Context, c tentacle.WaitForStatusCommandV1) (tentacle.ScriptStatusResponseV2, error) {
	return l.answer(ctx, c.Ticket, c.LastLogSequence)
}

func (l *liar) UploadFile(context.Context, string, *halibut.DataStream) (tentacle.UploadResult, error) {
	return tentacle.UploadResult{FullPath: "/", Length: math.MaxInt64}, nil
}

func (l *liar) DownloadFile(context.Context, string) (*halibut.DataStream, error) { return nil, nil }

// output is so much that a machine says at once.
func output(bytes int) []tentacle.ProcessOutput {
	const line = 4 << 10
	text := strings.Repeat("endless text \x1b[2J", line/17)
	entries := make([]tentacle.ProcessOutput, bytes/line)
	for i := range entries {
		entries[i] = tentacle.ProcessOutput{Source: tentacle.ProcessOutputSource(i % 3), Occurred: time.Now().UTC(), Text: text}
	}
	return entries
}

// silent is a port where connections are made and nothing is said.
func silent(t *testing.T) string {
	t.Helper()
	l := listen(t)
	go func() {
		for {
			if _, err := l.Accept(); err != nil { // never closed by this side
				return
			}
		}
	}()
	return l.Addr().String()
}

// blackHole is a port where connections are neither made nor refused: its queue is full.
func blackHole(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*syscall.SockaddrInet4).Port}).String()
	for range 4 {
		if c, err := net.DialTimeout("tcp", address, 200*time.Millisecond); err == nil {
			t.Cleanup(func() { c.Close() })
		}
	}
	return address
}

// slowServer gives packages that do not end, at a few bytes a second, and tells the file with its authority.
func slowServer(t *testing.T, dir string) (url, authority string) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = rw.Write([]byte{0x1f, 0x8b})
		for r.Context().Err() == nil {
			_, _ = rw.Write(make([]byte, 64))
			_ = http.NewResponseController(rw).Flush()
			select {
			case <-time.After(time.Second):
			case <-r.Context().Done():
			}
		}
	}))
	server.StartTLS()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	authority = filepath.Join(dir, "authority.pem")
	content := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(authority, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return server.URL, authority
}
