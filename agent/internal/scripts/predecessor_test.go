//go:build unix

package scripts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/audit"
	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// oldTicket writes the journal of a ticket as the predecessor of this version did, which knew no ticket files. more are
// members of the command.
func (r *rig) oldTicket(id, more string, files map[string]string) (dir string) {
	r.t.Helper()
	dir = r.inHome(".tentacle", "tickets", id)
	r.must(os.Mkdir(dir, 0o700))
	files[process.CommandFile] = fmt.Sprintf(`{"version":1,"ticket":%q,"operator":%q,"taskId":"x","arrived":"2026-01-02T03:04:0%dZ","mutex":"RunningScript","exclusive":true,%s}`, id, operator, len(files), more)
	files[process.ClaimFile] = ""
	for name, text := range files {
		r.put(filepath.Join(dir, name), text)
	}
	return dir
}

// The daemon is upgraded while one script runs, and a script and a step wait.
func TestWhatTheDaemonBeforeAnUpgradeStartedGoesOn(t *testing.T) {
	r := stepRig(t)
	r.must(r.Close())
	bash := func(body string) string {
		return fmt.Sprintf(`"process":{"path":"/bin/bash","args":["-c",%q],"dir":"/","grace":2000000000,"abandon":20000000000,"drain":10000000000,"output":{}}`, body)
	}
	running := r.oldTicket("runs", bash("echo begun; "+r.gate("runs")+"; echo over; exit 4"), map[string]string{})
	supervisor, err := process.Launch(r.cfg.Supervisor, running, r.cfg.Env)
	r.must(err)
	until(t, "its supervisor", func() bool { return process.Marked(running, process.StartedFile) })
	supervisor.Release()
	r.began("runs")
	_, note := r.marker("ran")
	r.oldTicket("waits", bash(note+"echo waited; exit 5"), map[string]string{process.CancelFile + ".not": ""})
	cmd := bashStep(t, "step", note+`echo "stepped $PW"; exit 6`, "hunter2")
	plan := string(planOf(t, cmd))
	secrets, err := readStream(cmd.Files[1].Contents)
	r.must(err)
	step := r.oldTicket("step", fmt.Sprintf(`"process":{"path":%q,"args":["step"],"call":true,"dir":%q,"grace":2000000000,"abandon":20000000000,"drain":10000000000,"output":{}},"call":{"kind":"run","interpreter":"Bash"}`,
		os.Args[0], r.inHome("Work", "step")), map[string]string{process.CallFile: callFile(plan, string(secrets)), "a": "", "b": ""})

	r.open()
	for id, state := range map[string]tentacle.ProcessState{"runs": tentacle.Running, "waits": tentacle.Pending, "step": tentacle.Pending} {
		if got := r.status(id, 0); got.State != state {
			t.Errorf("%s: %+v", id, got)
		}
	}
	r.letGo("runs")
	r.want(r.await("runs", 0), 4, "begun\nover\n")
	r.want(r.await("waits", 0), 5, "waited\n")
	r.want(told(r.await("step", 0)), 6, "stepped ********\n")
	if process.Marked(step, process.CallFile) || content(r.inHome("ran")) != "ran\nran\n" {
		t.Errorf("secrets stay, or they ran %q", content(r.inHome("ran")))
	}
	for id, code := range map[string]int{"runs": 4, "waits": 5, "step": 6} {
		r.completeScript(id)
		r.restart()
		r.want(r.start(script(id, note)), tentacle.ExitAlreadyCompleted, fmt.Sprintf("! already completed, exit code %d\n", code))
	}
	if left, err := os.ReadDir(r.inHome(".tentacle", "tickets")); err != nil || len(left) > 0 {
		t.Errorf("%v are left, %v", left, err)
	}
}

// The supervisor of a step is started while the disk works. It begins nothing before all is on the disk, and nothing at all
// if that fails.
func TestNothingBeginsBeforeItsStartIsOnTheDisk(t *testing.T) {
	syncing, disk := make(chan struct{}), make(chan error)
	r := stepRig(t, func(c *Config) {
		c.Audit = func(_ context.Context, e audit.Entry) error {
			if e.What != audit.Start || e.Decision != audit.Allowed {
				return nil
			}
			syncing <- struct{}{}
			return <-disk
		}
	})
	path, note := r.marker("ran")
	answered := make(chan error)
	start := func() {
		_, err := r.StartScript(context.Background(), operator, bashStep(t, "a", note))
		answered <- err
	}
	go start()
	<-syncing
	time.Sleep(300 * time.Millisecond) // for what must not happen
	disk <- errors.New("the disk broke")
	if err := <-answered; err == nil || !strings.Contains(err.Error(), "the disk broke") {
		t.Errorf("the start says %v", err)
	}
	r.restart()
	if exists(path) || exists(r.ticketFile("a")) {
		t.Error("it ran, or will")
	}
	go start()
	<-syncing
	if exists(path) {
		t.Error("it ran")
	}
	disk <- nil
	r.must(<-answered)
	if got := told(r.await("a", 0)); got.ExitCode != 0 || content(path) != "ran\n" {
		t.Errorf("%+v, it ran %q", got, content(path))
	}
}
