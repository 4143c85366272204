//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/cli"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
)

func operator(t testing.TB, e halibut.Endpoint, c tls.Certificate) *tentacle.Client {
	t.Helper()
	client := halibut.NewClient(halibut.ClientConfig{Certificate: c, SpoolDir: t.TempDir()})
	t.Cleanup(client.Close)
	return tentacle.NewClient(client, e)
}

func ticket(id string) tentacle.ScriptTicket { return tentacle.ScriptTicket{TaskID: id} }

func startScript(t testing.TB, c *tentacle.Client, id, body string) {
	t.Helper()
	r, err := c.StartScript(t.Context(), tentacle.StartScriptCommandV2{ScriptTicket: ticket(id), ScriptBody: body, TaskID: id})
	if err != nil || r.State == tentacle.Complete && r.ExitCode < 0 {
		t.Fatalf("starting %s: %+v, %v", id, r, err)
	}
}

// finish follows a script to its end and returns its exit code and output.
func finish(t testing.TB, c *tentacle.Client, id string) (code int32, out string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	var lines []string
	for after := int64(0); ; {
		r, err := c.WaitForStatus(ctx, tentacle.WaitForStatusCommandV1{
			Ticket: ticket(id), LastLogSequence: after, MaxWait: halibut.TimeSpan(20 * time.Second),
		})
		if err != nil {
			t.Fatalf("waiting for %s: %v", id, err)
		}
		for _, entry := range r.Logs {
			if entry.Source == tentacle.StdOut {
				lines = append(lines, entry.Text)
			}
		}
		if after = r.NextLogSequence; r.State == tentacle.Complete {
			return r.ExitCode, strings.Join(lines, "\n")
		}
	}
}

func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestAHomeHasOneDaemon(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	first := start(t, home, initialise(t, home))
	second := command(t.Context(), "run", "--home", home, "--listen", "127.0.0.1:0")
	out, err := second.CombinedOutput()
	if err == nil || second.ProcessState.ExitCode() != cli.ExitRunning {
		t.Errorf("the second ended with %v", err)
	}
	if want := "process " + strconv.Itoa(first.cmd.Process.Pid); !strings.Contains(string(out), want) {
		t.Errorf("it does not say %q: %s", want, out)
	}
	if out := ask(t, home, "show"); !strings.Contains(out, "running (process ") {
		t.Errorf("show says %s", out)
	}
}

// ask runs a command for a home and returns what it printed.
func ask(t *testing.T, home string, args ...string) string {
	t.Helper()
	return string(output(t, append(args, "--home", home)...))
}

func TestRemovingTrustEndsTheOperatorsConnectionsAtOnce(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	a, first := tentacletest.NewCertificate(t, "first operator")
	b, second := tentacletest.NewCertificate(t, "second operator")
	e := initialise(t, home, first, second)
	p := start(t, home, e)
	gone, stays := operator(t, e, a), operator(t, e, b)
	startScript(t, gone, "long", "sleep 300")
	if _, err := stays.GetCapabilities(t.Context()); err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error, 1)
	go func() {
		for {
			_, err := gone.WaitForStatus(context.Background(), tentacle.WaitForStatusCommandV1{
				Ticket: ticket("long"), MaxWait: halibut.TimeSpan(time.Minute),
			})
			if err != nil {
				waiting <- err
				return
			}
		}
	}()
	ask(t, home, "trust", "remove", string(first))
	select {
	case err := <-waiting:
		t.Log(err)
	case <-time.After(20 * time.Second):
		t.Fatal("the operator's connection lives on")
	}
	_, err := gone.GetCapabilities(t.Context())
	connect, ok := errors.AsType[*halibut.ConnectError](err)
	if !ok || connect.Stage != halibut.OperatorNotTrusted {
		t.Errorf("a call of who is no longer trusted: %v", err)
	}
	if _, err := stays.GetCapabilities(t.Context()); err != nil {
		t.Errorf("the other operator: %v", err)
	}
	eventually(t, "the refusal is in the log, with its remedy", func() bool {
		return strings.Contains(p.logged(), "tentacle trust add "+string(halibut.SHA256Thumbprint(a.Leaf)))
	})
	ask(t, home, "trust", "add", string(first))
	if _, err := gone.CancelScript(t.Context(), tentacle.CancelScriptCommandV2{Ticket: ticket("long")}); err != nil {
		t.Errorf("after trust came back: %v", err)
	}
	if code, _ := finish(t, gone, "long"); code != tentacle.ExitCanceled {
		t.Errorf("exit code %d", code)
	}
}

func TestAKilledDaemonKeepsIdentityAndTrust(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	a, first := tentacletest.NewCertificate(t, "operator")
	e := initialise(t, home, first) // by SHA-1
	p := start(t, home, e)
	c := operator(t, e, a)
	if _, err := c.GetCapabilities(t.Context()); err != nil {
		t.Fatal(err)
	}
	bound := string(halibut.SHA256Thumbprint(a.Leaf))
	if list := ask(t, home, "trust", "list"); !strings.Contains(list, bound) {
		t.Errorf("after the first connection its SHA-256 is not stored: %s", list)
	}
	p.kill()
	start(t, home, e)
	c = operator(t, e, a) // pinned to the same certificate
	if _, err := c.GetCapabilities(t.Context()); err != nil {
		t.Errorf("after the restart: %v", err)
	}
	if list := ask(t, home, "trust", "list"); !strings.Contains(list, bound) || !strings.Contains(list, string(first)) {
		t.Errorf("trust after the restart: %s", list)
	}
}

func TestADaemonThatIsToldToEndAnswersWhoWaitsAndLeavesScriptsRunning(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	a, first := tentacletest.NewCertificate(t, "operator")
	e := initialise(t, home, first)
	p := start(t, home, e)
	c := operator(t, e, a)
	begun, goOn := filepath.Join(home, "begun"), filepath.Join(home, "go on")
	startScript(t, c, "survivor", "touch '"+begun+"'; while ! test -e '"+goOn+"'; do sleep 0.1; done; echo survived; exit 7")
	eventually(t, "the script begins", func() bool { return exists(begun) })
	answered := make(chan error, 1)
	status, err := c.GetStatus(t.Context(), tentacle.ScriptStatusRequestV2{Ticket: ticket("survivor")})
	if err != nil || status.State != tentacle.Running {
		t.Fatalf("%+v, %v", status, err)
	}
	go func() {
		_, err := c.WaitForStatus(context.Background(), tentacle.WaitForStatusCommandV1{
			Ticket: ticket("survivor"), LastLogSequence: status.NextLogSequence, MaxWait: halibut.TimeSpan(time.Minute),
		})
		answered <- err
	}()
	eventually(t, "the call waits on a connection", func() bool { return len(sockets(t, p.cmd.Process.Pid)) == 2 })
	time.Sleep(200 * time.Millisecond) // its request has to arrive, which nothing shows from outside
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Errorf("who waited got %v", err)
	}
	select {
	case <-p.ended:
	case <-time.After(15 * time.Second):
		t.Fatal("the daemon does not end")
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d: %s", code, p.logged())
	}
	if !strings.Contains(p.logged(), "survivor (running)") {
		t.Errorf("its log does not name the script that goes on: %s", p.logged())
	}
	if err := os.WriteFile(goOn, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, home, e)
	if code, out := finish(t, operator(t, e, a), "survivor"); code != 7 || out != "survived" {
		t.Errorf("the script ended with %d and said %q", code, out)
	}
}

func TestAScriptKnowsTheTentacle(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	a, first := tentacletest.NewCertificate(t, "operator")
	c := operator(t, daemon(t, home, first), a)
	startScript(t, c, "env", "env | grep -E '^(Tentacle|Agent|Calamari|MANTLE_ENGINE)' | sort")
	_, out := finish(t, c, "env")
	resolved, err := filepath.EvalSymlinks(home)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"AgentProgramDirectoryPath=" + filepath.Dir(self), "CalamariPackageRetentionJournalPath=" + resolved, "MANTLE_ENGINE=" + self,
		"TentacleApplications=" + resolved + "/Applications\n", "TentacleCertificateSignatureAlgorithm=sha256ECDSA\n",
		"TentacleExecutablePath=" + self, "TentacleHome=" + resolved + "\n", "TentacleInstanceName=Tentacle\n",
		"TentacleJournal=" + resolved + "/DeploymentJournal.xml\n", "TentacleNetFrameworkDescription=", "TentacleProgramDirectoryPath=", "TentacleVersion=",
	} {
		if !strings.Contains(out+"\n", want) {
			t.Errorf("a script lacks %s:\n%s", want, out)
		}
	}
	if strings.Contains(out, "Proxy") {
		t.Errorf("a script was told of a proxy:\n%s", out)
	}
}

func TestABrowserIsToldWhatThisIs(t *testing.T) {
	e := daemon(t, filepath.Join(t.TempDir(), "home"))
	d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} // as a browser whose user went on
	c, err := d.DialContext(t.Context(), "tcp", e.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if !strings.HasPrefix(string(answer), "HTTP/1.0 200 OK\r\n") || !strings.Contains(string(answer), "This is a Mantle Tentacle") {
		t.Errorf("%s, %v", answer, err)
	}
}

// sockets are the sockets that a process has open.
func sockets(t *testing.T, pid int) []string {
	t.Helper()
	folder := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, entry := range entries {
		if target, err := os.Readlink(filepath.Join(folder, entry.Name())); err == nil && strings.HasPrefix(target, "socket:") {
			all = append(all, target)
		}
	}
	return all
}

func TestAWaitingDaemonIsOneOpenSocket(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	a, first := tentacletest.NewCertificate(t, "operator")
	e := initialise(t, home, first)
	p := start(t, home, e)
	client := halibut.NewClient(halibut.ClientConfig{Certificate: a, SpoolDir: t.TempDir()})
	c := tentacle.NewClient(client, e)
	startScript(t, c, "short", "echo done")
	finish(t, c, "short")
	if err := c.CompleteScript(t.Context(), tentacle.CompleteScriptCommandV2{Ticket: ticket("short")}); err != nil {
		t.Fatal(err)
	}
	client.Close()
	eventually(t, "only the listening socket is open", func() bool { return len(sockets(t, p.cmd.Process.Pid)) == 1 })
}
