//go:build unix

package scripts

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// waiting makes a ticket a that waits for its turn, and closes the Store.
func (r *rig) waiting(note string) {
	r.t.Helper()
	r.start(exclusive("holder", r.gate("holder")))
	r.began("holder")
	r.start(exclusive("a", note+"echo done"))
	if err := r.Close(); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) put(path, text string) {
	r.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func TestATicketOfANewerVersionIsLeftAlone(t *testing.T) {
	for _, name := range []string{process.CommandFile, process.StartedFile, process.ResultFile} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(c *Config) { c.Notice = time.Hour; c.FinishedAge = time.Nanosecond; c.SweepPause = time.Nanosecond })
			path, note := r.marker("ran")
			r.waiting(note)
			file := r.inHome(".tentacle", "tickets", "a", name)
			before := content(file)
			newer := `{"version":2,"exitCode":{"any":"shape"}}`
			if name == process.CommandFile {
				file = r.ticketFile("a")
				before = content(file)
				newer = strings.Replace(before, "tentacle ticket 1\n", "tentacle ticket 2\n", 1)
			}
			r.put(file, newer)
			r.open()
			r.letGo("holder")
			r.want(r.await("holder", 0), 0, "")
			id, ctx := tentacle.ScriptTicket{TaskID: "a"}, context.Background()
			_, started := r.StartScript(ctx, operator, script("a", note))
			_, asked := r.GetStatus(ctx, operator, tentacle.ScriptStatusRequestV2{Ticket: id})
			_, waited := r.WaitForStatus(ctx, operator, tentacle.WaitForStatusCommandV1{Ticket: id, MaxWait: halibut.TimeSpan(time.Minute)})
			_, cancelled := r.CancelScript(ctx, operator, tentacle.CancelScriptCommandV2{Ticket: id})
			completed := r.CompleteScript(ctx, operator, tentacle.CompleteScriptCommandV2{Ticket: id})
			for i, err := range []error{started, asked, waited, cancelled, completed} {
				if final := (halibut.FinalError{}); err == nil || errors.As(err, &final) || !strings.Contains(err.Error(), "start that version again") {
					t.Errorf("call %d: %v", i, err)
				}
			}
			r.completeScript("holder") // sweeps
			r.restart()
			if got := content(file); got != newer {
				t.Errorf("it was touched: %q", got)
			}
			if exists(path) {
				t.Error("it ran")
			}
			if name != process.CommandFile {
				return
			}
			if err := r.Close(); err != nil { // the newer version is back, or puts it right
				t.Fatal(err)
			}
			r.put(file, before)
			r.open()
			r.want(r.await("a", 0), 0, "done\n")
		})
	}
}

// TestWhatTheFirstVersionWroteIsRead holds later versions to the files of version 1, as they were: a ticket that
// waits, one that is finished, one whose end was decided, and a tombstone.
func TestWhatTheFirstVersionWroteIsRead(t *testing.T) {
	r := newRig(t)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	const spec = `"process":{"path":"/bin/bash","args":["-c","echo old; exit 3"],"dir":"/","grace":10000000000,"abandon":5000000000,"drain":10000000000,"output":{}}}`
	command := func(id string) string {
		return `{"version":1,"ticket":"` + id + `","operator":"` + operator + `","taskId":"x","arrived":"2026-01-02T03:04:05.6Z","mutex":"RunningScript","exclusive":true,` + spec
	}
	files := map[string]map[string]string{
		"waits":    {"command": command("Waits"), "claim": ""},
		"finished": {"command": command("finished"), "claim": "", "started": `{"version":1,"boot":"b","process":77,"startTime":"5"}`, "result": `{"version":1,"exitCode":9,"entries":0,"line":"why","source":1,"ended":"2999-01-01T00:00:00Z"}`},
		"decided":  {"command": command("decided"), "claim": "", "started": `{"version":1,"decision":{"version":1,"exitCode":-44,"entries":0,"line":"late","source":0,"ended":"2999-01-01T00:00:00Z"}}`},
	}
	for name, all := range files {
		if err := os.Mkdir(r.inHome(".tentacle", "tickets", name), 0o700); err != nil {
			t.Fatal(err)
		}
		for file, text := range all {
			r.put(r.inHome(".tentacle", "tickets", name, file), text)
		}
	}
	r.put(r.inHome(".tentacle", "tombstones", "over.json"), `{"version":1,"ticket":"over","operator":"`+operator+`","exitCode":7}`)
	r.put(r.inHome(".tentacle", "tombstones", "early.json"), `{"version":1,"ticket":"early","operator":"`+operator+`","cancelled":true}`)
	r.open()
	r.want(r.await("waits", 0), 3, "old\n")
	r.want(r.await("finished", 0), 9, "! why\n")
	r.want(r.await("decided", 0), tentacle.ExitTimeout, "late\n")
	r.want(r.start(script("over", "echo")), tentacle.ExitAlreadyCompleted, "! already completed, exit code 7\n")
	r.want(r.start(script("early", "echo")), tentacle.ExitCanceled, "! The script was cancelled before it arrived.\n")
}

func TestATombstoneThatCannotBeReadIsOneAllTheSame(t *testing.T) {
	for _, text := range []string{"", "\x00\x00", `{"version":9,"shape":[1]}`} {
		r := newRig(t)
		path, note := r.marker("ran")
		r.put(r.inHome(".tentacle", "tombstones", "a.json"), text)
		if got := r.start(script("A", note)); got.ExitCode != tentacle.ExitAlreadyCompleted {
			t.Errorf("%q: %+v", text, got)
		}
		r.want(r.cancelScript("a"), tentacle.ExitUnknownScript, "")
		r.restart()
		if exists(path) || exists(r.inHome(".tentacle", "tickets", "a")) {
			t.Errorf("%q: it ran", text)
		}
	}
}

// TestAfterARestartOfTheMachineNothingOfItsNumbersIsTouched changes the boot that a supervisor noted, and the
// supervisor's death: what has its session's number after a restart of the machine is somebody else.
func TestAfterARestartOfTheMachineNothingOfItsNumbersIsTouched(t *testing.T) {
	r := newRig(t)
	r.start(script("a", "echo begun\nsleep 300 & "+r.pidFile("$!", "child")+r.pidFile("$PPID", "supervisor")+"wait"))
	supervisor, child := r.pid("supervisor"), r.pid("child")
	defer syscall.Kill(child, syscall.SIGKILL) //nolint:errcheck // the end of the test
	until(t, "its output", func() bool { return len(r.status("a", 0).Logs) > 0 })
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(supervisor, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, "the supervisor's end", func() bool { return !alive(supervisor) })
	file := r.inHome(".tentacle", "tickets", "a", process.StartedFile)
	var started process.Started
	if err := json.Unmarshal([]byte(content(file)), &started); err != nil || started.Process != supervisor || started.Boot == "" {
		t.Fatalf("%+v, %v", started, err)
	}
	started.Boot = "the boot before"
	text, err := json.Marshal(started)
	if err != nil {
		t.Fatal(err)
	}
	r.put(file, string(text))
	for range 2 {
		r.open()
		got := r.await("a", 0)
		if got.ExitCode != tentacle.ExitLost || !strings.HasPrefix(lines(got.Logs), "begun\n! Lost: ") || !strings.Contains(lines(got.Logs), "reboot") {
			t.Errorf("%d, %q", got.ExitCode, lines(got.Logs))
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	r.open()
	if !alive(child) {
		t.Error("a process of the same session number was ended")
	}
}
