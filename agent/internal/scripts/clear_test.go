//go:build unix

package scripts

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/policy"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// withSecrets is a script with a file of secrets beside it.
func withSecrets(cmd tentacle.StartScriptCommandV2) tentacle.StartScriptCommandV2 {
	cmd.Files = []tentacle.ScriptFile{{Name: "secrets.json", Contents: halibut.NewDataStreamBytes([]byte("hunter2"))}}
	return cmd
}

// occupy has a script hold the mutex.
func (r *rig) occupy() {
	r.t.Helper()
	r.start(exclusive("holder", r.gate("holder")))
	r.began("holder")
}

func TestTheSecretsOfAScriptThatNeverBeganAreRemoved(t *testing.T) {
	tests := map[string]struct {
		code int32
		end  func(r *rig)
	}{
		"cancelled while it waits": {tentacle.ExitCanceled, func(r *rig) {
			r.occupy()
			r.start(withSecrets(exclusive("a", "echo")))
			r.cancelScript("a")
		}},
		"its turn came too late": {tentacle.ExitTimeout, func(r *rig) {
			r.occupy()
			cmd := withSecrets(exclusive("a", "echo"))
			cmd.ScriptIsolationMutexTimeout = halibut.TimeSpan(50 * time.Millisecond)
			r.start(cmd)
		}},
		"refused at its turn": {tentacle.ExitRefused, func(r *rig) {
			r.Store.cfg.Allowed = func(s policy.Start) (int64, error) {
				if s.Turn {
					return 0, errors.New("no longer trusted")
				}
				return 0, nil
			}
			r.start(withSecrets(script("a", "echo")))
		}},
		"without a supervisor": {tentacle.ExitLaunchFailed, func(r *rig) {
			r.Store.cfg.Supervisor = []string{"/does/not/exist"}
			r.start(withSecrets(script("a", "echo")))
		}},
		"a step, cancelled while it waits": {tentacle.ExitCanceled, func(r *rig) {
			r.Store.cfg.Engine = []string{os.Args[0], "step"}
			r.occupy()
			r.start(stepCall(r.t, "a", "hunter2"))
			r.cancelScript("a")
		}},
		"a step without a supervisor": {tentacle.ExitLaunchFailed, func(r *rig) {
			r.Store.cfg.Engine, r.Store.cfg.Supervisor = []string{os.Args[0], "step"}, []string{"/does/not/exist"}
			r.start(stepCall(r.t, "a", "hunter2"))
		}},
		"its supervisor is killed": {tentacle.ExitLost, func(r *rig) {
			r.start(withSecrets(script("a", r.pidFile("$PPID", "supervisor")+"sleep 300")))
			if err := syscall.Kill(r.pid("supervisor"), syscall.SIGKILL); err != nil {
				r.t.Fatal(err)
			}
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(c *Config) { c.Notice = time.Hour })
			test.end(r)
			got := r.await("a", 0)
			if got.ExitCode != test.code {
				t.Fatalf("exit code %d, %q", got.ExitCode, lines(got.Logs))
			}
			until(t, "its folder is removed", func() bool { return !exists(r.inHome("Work", "a")) })
			until(t, "its secrets are removed", func() bool { return grep(t, r.cfg.Home, "aHVudGVyMg") == "" }) // as steps have them
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(r.inHome("Work", "a"), 0o700); err != nil { // as if the daemon had died before it removed it
				t.Fatal(err)
			}
			r.put(r.inHome("Work", "a", "secrets.json"), "hunter2")
			r.open()
			if found := grep(t, r.cfg.Home, "hunter2"); found != "" {
				t.Errorf("found after a restart: %s", found)
			}
			if again := r.status("a", 0); again.ExitCode != test.code || lines(again.Logs) != lines(got.Logs) {
				t.Errorf("after a restart: %d, %q; want %q", again.ExitCode, lines(again.Logs), lines(got.Logs))
			}
			if exists(r.inHome("began-holder")) {
				r.letGo("holder")
				r.await("holder", 0)
			}
		})
	}
}

// What a script that ended left running may work in its folder still.
func TestTheFolderOfAScriptThatEndedByItselfStaysUntilItIsCompleted(t *testing.T) {
	r := newRig(t)
	r.run(withSecrets(script("a", "exit 3")))
	r.start(withSecrets(script("b", r.pidFile("$$", "self")+"sleep 300")))
	r.pid("self")
	r.cancelScript("b")
	if got := r.await("b", 0); got.ExitCode != tentacle.ExitCanceled {
		t.Errorf("%+v", got)
	}
	r.restart()
	for _, id := range []string{"a", "b"} {
		if !exists(r.inHome("Work", id, "secrets.json")) {
			t.Errorf("the folder of %s is gone", id)
		}
		r.completeScript(id)
		if exists(r.inHome("Work", id)) {
			t.Errorf("the folder of %s stays", id)
		}
	}
}
