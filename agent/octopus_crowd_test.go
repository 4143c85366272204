//go:build linux

package main

import (
	"bufio"
	"cmp"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
)

// TestAServerMayConnectManyTimesAtOnce has an Octopus Server open many connections at the same time, while strangers knock: none
// of them is closed, and none is in the audit log as refused.
func TestAServerMayConnectManyTimesAtOnce(t *testing.T) {
	for text := range strings.SplitSeq(cmp.Or(os.Getenv(handshakesVariable), "400x30s"), ",") {
		f, err := parseFlood(text)
		if err != nil {
			t.Fatalf("%s: %v", handshakesVariable, err)
		}
		t.Run("quiet", func(t *testing.T) { connectAtOnce(t, nil) })
		t.Run(text, func(t *testing.T) { connectAtOnce(t, &f) })
	}
}

func connectAtOnce(t *testing.T, f *handshakeFlood) {
	home := filepath.Join(t.TempDir(), "home")
	certificate, thumbprint := tentacletest.NewCertificate(t, "Octopus Server")
	e := initialise(t, home, thumbprint)
	run := command(context.Background(), "run", "--home", home)
	shipped(run)
	p := launch(t, run, home+".log", e)
	const from = "127.0.3.77"
	server := &tentacletest.Operator{Identity: certificate, Tentacle: e, From: net.ParseIP(from)}
	if f != nil {
		if err := server.AtOnce(t.Context(), 1); err != nil { // it was there before
			t.Fatal(err)
		}
		crowd := command(t.Context())
		crowd.Env = append(os.Environ(), actAsHandshakes+"="+e.Address+" "+f.String())
		said, err := crowd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := crowd.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = crowd.Process.Kill(); _ = crowd.Wait() }()
		bufio.NewScanner(said).Scan() // it has begun
	}
	for _, n := range []int{20, 50, 100, 300} {
		begun := time.Now()
		if err := server.AtOnce(t.Context(), n); err != nil {
			t.Errorf("of %d at once: %v", n, err)
		}
		t.Logf("ManyAtOnce: %d connections were open after, and called twice in, %s", n, time.Since(begun).Round(time.Millisecond))
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	for _, line := range audited(t, home) {
		if host, _, _ := net.SplitHostPort(line.Peer); line.Decision == "refused" && cmp.Or(host, line.Peer) == from {
			t.Errorf("the audit log tells of a refused connection: %+v", line)
		}
	}
}
