//go:build unix

package scripts

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/engine"
	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

const (
	operator = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	stranger = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	patience = 30 * time.Second
)

// TestMain is also the supervisor of the tests' scripts, and the daemon that is killed.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 {
		switch os.Args[1] {
		case "supervise":
			os.Exit(process.Supervise(os.Args[2], engine.Carry))
		case "daemon":
			os.Exit(daemonMain(os.Args[2]))
		case "step-daemon":
			os.Exit(stepDaemonMain(os.Args[2]))
		case "life":
			os.Exit(lifeMain(os.Args[2]))
		case "former":
			os.Exit(formerMain(os.Args[2]))
		case "hold":
			os.Exit(holdMain(os.Args[2]))
		}
	}
	os.Exit(m.Run())
}

// rig is a home and the Store that is open on it.
type rig struct {
	*Store
	t   testing.TB
	cfg Config
}

func testConfig(home string) Config {
	return Config{Home: home, Supervisor: []string{os.Args[0], "supervise"}, MinFree: 1, Gather: time.Millisecond, Grace: 2 * time.Second, Abandon: 20 * time.Second}
}

// newRig opens a Store on a new home. When the test ends it cancels what still runs.
func newRig(t testing.TB, change ...func(*Config)) *rig {
	t.Helper()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, cfg: testConfig(home)}
	for _, f := range change {
		f(&r.cfg)
	}
	r.open()
	t.Cleanup(r.stop)
	return r
}

func (r *rig) open() {
	r.t.Helper()
	s, err := Open(r.cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	r.Store = s
}

func (r *rig) restart() {
	r.t.Helper()
	if err := r.Close(); err != nil {
		r.t.Fatal(err)
	}
	r.open()
}

// stop leaves no process behind.
func (r *rig) stop() {
	r.mu.Lock()
	known := maps.Clone(r.known)
	r.mu.Unlock()
	for key, t := range known {
		if phase, _, _ := t.snapshot(); phase != finished && !t.newer {
			_ = r.cancel(t)
			r.end1(key)
		}
	}
	_ = r.Close()
	until(r.t, "no supervisor makes files any more", func() bool { return os.RemoveAll(r.inHome(".tentacle", "tickets")) == nil })
}

func (r *rig) end1(key string) { r.await(key, 0) }

func script(id, body string) tentacle.StartScriptCommandV2 {
	return tentacle.StartScriptCommandV2{ScriptTicket: tentacle.ScriptTicket{TaskID: id}, ScriptBody: body, TaskID: "ServerTasks-1"}
}

func (r *rig) start(cmd tentacle.StartScriptCommandV2) tentacle.ScriptStatusResponseV2 {
	r.t.Helper()
	got, err := r.StartScript(context.Background(), operator, cmd)
	if err != nil {
		r.t.Fatalf("StartScript: %v", err)
	}
	r.hold(&got)
	return got
}

func (r *rig) status(id string, after int64) tentacle.ScriptStatusResponseV2 {
	r.t.Helper()
	got, err := r.GetStatus(context.Background(), operator, tentacle.ScriptStatusRequestV2{Ticket: tentacle.ScriptTicket{TaskID: id}, LastLogSequence: after})
	if err != nil {
		r.t.Fatalf("GetStatus: %v", err)
	}
	r.hold(&got)
	return got
}

func (r *rig) cancelScript(id string) tentacle.ScriptStatusResponseV2 {
	r.t.Helper()
	got, err := r.CancelScript(context.Background(), operator, tentacle.CancelScriptCommandV2{Ticket: tentacle.ScriptTicket{TaskID: id}})
	if err != nil {
		r.t.Fatalf("CancelScript: %v", err)
	}
	r.hold(&got)
	return got
}

func (r *rig) completeScript(id string) {
	r.t.Helper()
	if err := r.CompleteScript(context.Background(), operator, tentacle.CompleteScriptCommandV2{Ticket: tentacle.ScriptTicket{TaskID: id}}); err != nil {
		r.t.Fatalf("CompleteScript: %v", err)
	}
	r.forgotten()
}

// forgotten waits until only tombstones are left of what was completed and has ended.
func (r *rig) forgotten() {
	r.t.Helper()
	until(r.t, "what is over is forgotten", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, t := range r.known {
			if t.isOver() {
				return false
			}
		}
		return true
	})
}

// ticketFile is the ticket file of a ticket.
func (r *rig) ticketFile(id string) string {
	return process.TicketFile(r.inHome(".tentacle", "tickets", id))
}

// hold reads the output that would be read when the answer is written, and leaves out how the script ended: the line of
// TestTheEndOfAScriptIsTold.
func (r *rig) hold(got *tentacle.ScriptStatusResponseV2) {
	r.t.Helper()
	if err := got.Hold(); err != nil {
		r.t.Fatalf("reading stored output: %v", err)
	}
	if n := len(got.Logs); n > 0 && got.Logs[n-1].Source == tentacle.Debug {
		got.Logs = got.Logs[:n-1]
	}
}

// await follows a ticket as an operator does, and returns the last status with all output.
func (r *rig) await(id string, after int64) tentacle.ScriptStatusResponseV2 {
	r.t.Helper()
	var logs []tentacle.ProcessOutput
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		got, err := r.WaitForStatus(context.Background(), operator, tentacle.WaitForStatusCommandV1{
			Ticket: tentacle.ScriptTicket{TaskID: id}, LastLogSequence: after, MaxWait: halibut.TimeSpan(5 * time.Second),
		})
		if err != nil {
			r.t.Fatalf("WaitForStatus: %v", err)
		}
		r.hold(&got)
		logs = append(logs, got.Logs...)
		after = got.NextLogSequence
		if got.State == tentacle.Complete {
			got.Logs = logs
			return got
		}
	}
	r.t.Fatalf("%s did not end", id)
	return tentacle.ScriptStatusResponseV2{}
}

// run starts a script and awaits its end.
func (r *rig) run(cmd tentacle.StartScriptCommandV2) tentacle.ScriptStatusResponseV2 {
	r.t.Helper()
	r.start(cmd)
	return r.await(cmd.ScriptTicket.TaskID, 0)
}

// lines is output as text, with what came on stderr marked, and without what the Tentacle itself tells of the script.
func lines(logs []tentacle.ProcessOutput) string {
	var b strings.Builder
	for _, l := range logs {
		if l.Source == tentacle.Debug {
			continue
		}
		if l.Source == tentacle.StdErr {
			b.WriteString("! ")
		}
		b.WriteString(l.Text + "\n")
	}
	return b.String()
}

// text is output as what came on each of the streams.
func text(logs []tentacle.ProcessOutput) (out, bad []string) {
	for _, l := range logs {
		if l.Source == tentacle.StdErr {
			bad = append(bad, l.Text)
		} else {
			out = append(out, l.Text)
		}
	}
	return out, bad
}

func (r *rig) want(got tentacle.ScriptStatusResponseV2, code int32, output string) {
	r.t.Helper()
	if got.State != tentacle.Complete || got.ExitCode != code || lines(got.Logs) != output {
		r.t.Errorf("state %d, exit code %d, output:\n%s\nwant Complete, %d:\n%s", got.State, got.ExitCode, lines(got.Logs), code, output)
	}
}

// until polls for something that must come true.
func until(t testing.TB, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatalf("%s: never", what)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (r *rig) inHome(names ...string) string {
	return filepath.Join(append([]string{r.cfg.Home}, names...)...)
}

// marker returns a file outside of what the Store removes, and a command line that notes a run in it.
func (r *rig) marker(name string) (path, note string) {
	path = r.inHome(name)
	return path, fmt.Sprintf("echo ran >> %q\n", path)
}

func content(path string) string {
	data, err := os.ReadFile(path) // #nosec G304 -- a file of the test
	if err != nil {
		return ""
	}
	return string(data)
}
