//go:build linux

package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/cli"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
)

// actAsTentacle makes this test binary the program itself, for its children too.
const actAsTentacle = "TENTACLE_TEST_ACTS"

func TestMain(m *testing.M) {
	if os.Getenv(actAsTentacle) != "" {
		os.Exit(run(os.Args[1:]))
	}
	if address := os.Getenv(actAsStrangers); address != "" {
		os.Exit(flood(address))
	}
	if what := os.Getenv(actAsHandshakes); what != "" {
		os.Exit(shake(what))
	}
	os.Exit(m.Run())
}

// daemon runs `tentacle run` as a process of its own, trusted by nobody but the given operators.
func daemon(t *testing.T, home string, operators ...halibut.Thumbprint) halibut.Endpoint {
	t.Helper()
	e := initialise(t, home, operators...)
	start(t, home, e)
	return e
}

// initialise makes a Tentacle that will listen on a free port of the loopback.
func initialise(t testing.TB, home string, operators ...halibut.Thumbprint) halibut.Endpoint {
	t.Helper()
	l, err := net.Listen("tcp", tentacletest.Loopback())
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	arguments := []string{"init", "--home", home, "--listen", address}
	for _, o := range operators {
		arguments = append(arguments, "--trust", string(o))
	}
	output(t, arguments...)
	t.Cleanup(func() { discard(t, home) })
	return halibut.Endpoint{Address: address, Thumbprint: thumbprintOf(t, output(t, "show", "--json", "--home", home))}
}

// discard removes a home whose daemon has ended. A supervisor outlives its daemon and may still write there, so that one try
// can find a folder that is filled anew.
func discard(t testing.TB, home string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		err := os.RemoveAll(home)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("the home cannot be removed: %v", err)
			return
		}
	}
}

// thumbprintOf reads what `show --json` printed.
func thumbprintOf(t testing.TB, text []byte) halibut.Thumbprint {
	t.Helper()
	var shown struct {
		SHA256 halibut.Thumbprint `json:"sha256"`
	}
	if err := json.Unmarshal(text, &shown); err != nil {
		t.Fatal(err)
	}
	return shown.SHA256
}

// running is a daemon that was started.
type running struct {
	cmd *exec.Cmd
	log string
	// ended is closed when it has ended; cmd.ProcessState is set then.
	ended chan struct{}
}

// start runs the daemon of a home and returns when it listens. The test's end kills it.
func start(t testing.TB, home string, e halibut.Endpoint) *running {
	t.Helper()
	return launch(t, command(context.Background(), "run", "--home", home), home+".log", e)
}

// launch runs a daemon that is prepared as a command, and returns when it listens. The test's end kills it.
func launch(t testing.TB, cmd *exec.Cmd, path string, e halibut.Endpoint) *running {
	t.Helper()
	p := spawn(t, cmd, path)
	p.serves(t, e)
	return p
}

// spawn runs a daemon that is prepared as a command. The test's end kills it.
func spawn(t testing.TB, cmd *exec.Cmd, path string) *running {
	t.Helper()
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p := &running{log: log.Name()}
	cmd.Stderr = log
	p.begin(t, cmd)
	t.Cleanup(func() { p.kill() })
	return p
}

func (p *running) begin(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	p.cmd, p.ended = cmd, ended
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
}

// serves returns when the daemon listens. One that finds its port taken is started again, as a service manager does: a
// supervisor that is just being started may hold the port of the daemon before.
func (p *running) serves(t testing.TB, e halibut.Endpoint) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.DialTimeout("tcp", e.Address, time.Second)
		if err == nil {
			_ = c.Close()
		}
		select {
		case <-p.ended: // if anything answered, it was another program
			if p.cmd.ProcessState.ExitCode() != cli.ExitListen {
				t.Fatalf("the daemon ended: %s", p.logged())
			}
			p.restart(t)
			continue
		default:
		}
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the daemon does not listen: %s", p.logged())
		}
	}
}

// restart runs the daemon anew that has ended.
func (p *running) restart(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(p.log, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p.begin(t, &exec.Cmd{Path: p.cmd.Path, Args: p.cmd.Args, Env: p.cmd.Env, Dir: p.cmd.Dir, SysProcAttr: p.cmd.SysProcAttr, Stderr: log})
}

// kill ends the daemon as a power cut would.
func (p *running) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

func (p *running) logged() string {
	content, _ := os.ReadFile(p.log)
	return string(content)
}

// builtVariable names the program as it is shipped, which make has built.
const builtVariable = "MANTLE_TENTACLE"

// programVariable names a copy of this program to use in its place.
const programVariable = "TENTACLE_TEST_PROGRAM"

func command(ctx context.Context, args ...string) *exec.Cmd {
	program := os.Args[0]
	if other := os.Getenv(programVariable); other != "" {
		program = other
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), actAsTentacle+"=1")
	return cmd
}

// shipped makes a command one of the program as it is shipped, where make has built that, and tells whether it is: the test's own
// may have the race detector, which costs as much again and more.
func shipped(cmd *exec.Cmd) bool {
	built := cmp.Or(os.Getenv(programVariable), os.Getenv(builtVariable))
	if built != "" {
		cmd.Path, cmd.Args[0] = built, built
	}
	return built != ""
}

func output(t testing.TB, args ...string) []byte {
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

// TestRecordings plays what Octopus's own client sent to the daemon.
func TestRecordings(t *testing.T) {
	tentacletest.PlayRecordings(t, func(t *testing.T, trusted halibut.Thumbprint) tentacletest.Listener {
		home := filepath.Join(t.TempDir(), "home")
		return tentacletest.Listener{Address: daemon(t, home, trusted).Address, Home: home}
	})
}

// TestOddRequests plays good, odd and broken requests to the daemon.
func TestOddRequests(t *testing.T) {
	tentacletest.PlayOddRequests(t, func(t *testing.T, trusted halibut.Thumbprint) tentacletest.Listener {
		home := filepath.Join(t.TempDir(), "home")
		return tentacletest.Listener{Address: daemon(t, home, trusted).Address, Home: home}
	})
}
