//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
)

// actAsTentacle makes this test binary the program itself, for its children too.
const actAsTentacle = "TENTACLE_TEST_ACTS"

func TestMain(m *testing.M) {
	if os.Getenv(actAsTentacle) != "" {
		os.Exit(run(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// daemon runs `tentacle run` as a process of its own, trusted by nobody but the given operators.
func daemon(t *testing.T, home string, operators ...halibut.Thumbprint) halibut.Endpoint {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	arguments := []string{"init", "--home", home, "--listen", address}
	for _, o := range operators {
		arguments = append(arguments, "--trust", string(o))
	}
	tentacle(t, arguments...)
	var shown struct {
		SHA256 halibut.Thumbprint `json:"sha256"`
	}
	if err := json.Unmarshal(tentacle(t, "show", "--json", "--home", home), &shown); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(home + ".log")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	cmd := command(context.Background(), "run", "--home", home)
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if c, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			_ = c.Close()
			return halibut.Endpoint{Address: address, Thumbprint: shown.SHA256}
		}
		if time.Now().After(deadline) {
			content, _ := os.ReadFile(log.Name())
			t.Fatalf("the daemon does not listen: %s", content)
		}
	}
}

func command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), actAsTentacle+"=1")
	return cmd
}

func tentacle(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := command(t.Context(), args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tentacle %v: %v: %s", args, err, stderr.String())
	}
	return out
}

// TestConformance holds the daemon, as a process with real scripts, to what every Tentacle promises.
func TestConformance(t *testing.T) {
	tentacletest.Run(t, func(t *testing.T) tentacletest.Subject {
		a, first := tentacletest.NewCertificate(t, "first operator")
		b, second := tentacletest.NewCertificate(t, "second operator")
		home := filepath.Join(t.TempDir(), "home")
		return tentacletest.Subject{Endpoint: daemon(t, home, first, second), Operators: [2]tls.Certificate{a, b}, Home: home}
	})
}
