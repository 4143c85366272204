//go:build unix

package scripts

import (
	"context"
	"strings"
	"testing"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// An Octopus Server makes links of the tasks that a waiting script names. Operators do not see each other.
func TestAScriptThatWaitsNamesTheTask(t *testing.T) {
	const link = "task [ServerTasks-17](~/app#/tasks/ServerTasks-17)"
	r := newRig(t)
	first := exclusive("first", r.gate("first"))
	first.TaskID = "ServerTasks-17"
	r.start(first)
	r.began("first")
	r.start(exclusive("own", "echo"))
	r.waits("own")
	if got := r.status("own", 0).Logs[1].Text; !strings.Contains(got, `"RunningScript"`) || !strings.HasSuffix(got, " by the script of "+link+".") {
		t.Errorf("a waiting script says %q", got)
	}
	late := exclusive("late", "echo")
	late.ScriptIsolationMutexTimeout = halibut.TimeSpan(1)
	r.start(late)
	if got := lines(r.await("late", 0).Logs); !strings.Contains(got, link) || !strings.HasSuffix(got, tentacle.TimedOutLine+"\n") {
		t.Errorf("one whose time is over says %q", got)
	}
	other := exclusive("other", "echo")
	other.ScriptIsolationMutexTimeout = halibut.TimeSpan(1)
	if _, err := r.StartScript(context.Background(), stranger, other); err != nil {
		t.Fatal(err)
	}
	until(t, "the stranger's script says that it waits", func() bool {
		got, err := r.GetStatus(context.Background(), stranger, tentacle.ScriptStatusRequestV2{Ticket: tentacle.ScriptTicket{TaskID: "other"}})
		if err != nil || strings.Contains(lines(got.Logs), "17") {
			t.Fatalf("it says %q, %v", lines(got.Logs), err)
		}
		return got.State == tentacle.Complete && len(got.Logs) == 4
	})
	r.restart()
	r.start(exclusive("again", "echo"))
	r.waits("again")
	if got := r.status("again", 0).Logs[1].Text; !strings.Contains(got, link) {
		t.Errorf("after a restart: %q", got)
	}
	r.letGo("first")
}

func TestOnlyPlainNamesOfTasksAreTold(t *testing.T) {
	for task, want := range map[string]string{
		"ServerTasks-1": "task [ServerTasks-1](~/app#/tasks/ServerTasks-1)", "shop/42": "task shop/42", "": "", "a b": "", "[x](y)": "", "ServerTasks-1)\n": "", "é": "",
	} {
		if got := taskName(task); got != want {
			t.Errorf("%q is told as %q, want %q", task, got, want)
		}
	}
}
