//go:build unix

package scripts

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/api/tentacle"
)

func TestAScriptGoesOnWithoutItsDaemon(t *testing.T) {
	r := newRig(t)
	r.start(script("a", "echo one; "+r.gate("a")+"; echo two; exit 4"))
	r.began("a")
	r.restart()
	got := r.status("a", 0)
	if got.State != tentacle.Running {
		t.Errorf("after a restart: %+v", got)
	}
	r.letGo("a")
	r.want(r.await("a", 0), 4, "one\ntwo\n")
}

func TestACancelReachesAScriptOfAnEarlierDaemon(t *testing.T) {
	r := newRig(t)
	r.start(script("a", r.pidFile("$$", "self")+"exec sleep 300"))
	self := r.pid("self")
	r.restart()
	r.cancelScript("a")
	r.want(r.await("a", 0), tentacle.ExitCanceled, "")
	if alive(self) {
		t.Error("it lives")
	}
}

// found makes the folder of a ticket as an earlier daemon would have left it, and returns what a new one
// says of it.
func (r *rig) found(files map[string]string) tentacle.ScriptStatusResponseV2 {
	r.t.Helper()
	_, note := r.marker("ran")
	r.start(exclusive("holder", r.gate("holder")))
	r.began("holder")
	r.start(exclusive("a", note+"echo done"))
	if err := r.Close(); err != nil {
		r.t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(r.inHome(".tentacle", "tickets", "a", name), []byte(text), 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
	r.open()
	r.letGo("holder")
	return r.await("a", 0)
}

func TestWhatANewDaemonFinds(t *testing.T) {
	const reboot = `{"version":1,"boot":"another boot","process":4000000,"startTime":"1"}`
	tests := map[string]struct {
		files map[string]string
		code  int32
		says  string
		runs  bool
	}{
		"nothing has begun":             {nil, 0, "done\n", true},
		"a cancel that came first":      {map[string]string{process.CancelFile: ""}, tentacle.ExitCanceled, "! The script was cancelled before it began.\n", false},
		"begun before a restart":        {map[string]string{process.StartedFile: reboot}, tentacle.ExitLost, "reboot", false},
		"begun, and nothing is known":   {map[string]string{process.StartedFile: ""}, tentacle.ExitLost, "! Lost: the script's supervisor", false},
		"a result goes before all else": {map[string]string{process.StartedFile: reboot, process.ResultFile: `{"version":1,"exitCode":9,"ended":"2999-01-01T00:00:00Z"}`}, 9, "", false},
		"a result cut by a power cut":   {map[string]string{process.StartedFile: reboot, process.ResultFile: "\x00\x00\x00"}, tentacle.ExitLost, "reboot", false},
		"output cut by a power cut":     {map[string]string{process.ResultFile: `{"version":1,"exitCode":0,"entries":9,"ended":"2999-01-01T00:00:00Z"}`}, 0, "[the last 9 lines", false},
		"a command that nobody reads":   {map[string]string{"../a+ticket": "{"}, tentacle.ExitLost, "journal cannot be read", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(c *Config) { c.Notice = time.Hour })
			got := r.found(test.files)
			if got.ExitCode != test.code || !strings.Contains(lines(got.Logs), test.says) {
				t.Errorf("%d, %q", got.ExitCode, lines(got.Logs))
			}
			if exists(r.inHome("ran")) != test.runs {
				t.Errorf("it ran: %v", !test.runs)
			}
			r.completeScript("a")
			r.restart()
			want := tentacle.ExitAlreadyCompleted
			if test.files["../a+ticket"] != "" {
				want = tentacle.ExitLost // nobody knows whose it was, so it is not this operator's to complete
			}
			if got := r.start(exclusive("a", "echo")); got.ExitCode != want {
				t.Errorf("after its completion: %+v", got)
			}
		})
	}
}

func TestAnotherSessionOfTheSameNumberIsLeftAlone(t *testing.T) {
	other := exec.Command("/bin/sleep", "300")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer other.Wait()         //nolint:errcheck // it is killed
	defer other.Process.Kill() //nolint:errcheck // the end of the test
	r := newRig(t, func(c *Config) { c.Notice = time.Hour })
	got := r.found(map[string]string{process.StartedFile: fmt.Sprintf(`{"version":1,"process":%d,"startTime":"1"}`, other.Process.Pid)})
	if got.ExitCode != tentacle.ExitLost || !alive(other.Process.Pid) {
		t.Errorf("%+v; the other is alive: %v", got, alive(other.Process.Pid))
	}
}

func TestFoldersWithoutACommandAreSweptAndTombstonesWin(t *testing.T) {
	r := newRig(t)
	r.run(script("Done", "echo"))
	r.completeScript("Done")
	for _, dir := range []string{"Half", "Done"} {
		for _, path := range []string{r.inHome("Work", dir), r.inHome(".tentacle", "tickets", strings.ToLower(dir))} {
			if err := os.MkdirAll(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.restart()
	for _, dir := range []string{r.inHome("Work"), r.inHome(".tentacle", "tickets")} {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s holds %v, %v", dir, left, err)
		}
	}
	r.want(r.run(script("Half", "echo fresh")), 0, "fresh\n")
}
