//go:build unix

package scripts

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/policy"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

func (r *rig) startV1(body string, files ...tentacle.ScriptFile) string {
	r.t.Helper()
	task := "ServerTasks-1"
	k, err := r.StartScriptV1(context.Background(), operator, tentacle.StartScriptCommand{ScriptBody: body, Files: files, TaskID: &task})
	if err != nil {
		r.t.Fatalf("StartScriptV1: %v", err)
	}
	return k.TaskID
}

func (r *rig) statusV1(id string) tentacle.ScriptStatusResponseV2 {
	r.t.Helper()
	got, err := r.GetStatusV1(context.Background(), operator, tentacle.ScriptStatusRequest{Ticket: tentacle.ScriptTicket{TaskID: id}})
	if err != nil {
		r.t.Fatalf("GetStatusV1: %v", err)
	}
	return tentacle.ScriptStatusResponseV2(got)
}

func (r *rig) completeV1(id string) {
	r.t.Helper()
	_, err := r.CompleteScriptV1(context.Background(), operator, tentacle.CompleteScriptCommand{Ticket: tentacle.ScriptTicket{TaskID: id}})
	if err != nil {
		r.t.Fatalf("CompleteScriptV1: %v", err)
	}
}

// A refusal that was forgotten would be taken for success, as V1 answers 0 for what it does not know.
func TestARefusedStartOfV1IsStillRefusedAfterARestart(t *testing.T) {
	r := newRig(t)
	path, note := r.marker("ran")
	id := r.startV1(note, tentacle.ScriptFile{Name: "../x", Contents: halibut.NewDataStreamBytes([]byte("x"))})
	const why = "! The file \"../x\" is refused: a name must be a path inside the script's folder\n"
	for range 2 {
		r.want(r.statusV1(id), tentacle.ExitBadTicket, why)
		r.restart()
	}
	r.completeV1(id)
	r.want(r.statusV1(id), 0, "")
	r.restart()
	r.want(r.statusV1(id), 0, "")
	if exists(path) || exists(r.inHome("Work", id)) || exists(r.inHome(".tentacle", "tickets", id)) {
		t.Error("the refused script ran, or has left a folder")
	}
}

func TestARuleOfTheMachineRefusesAStartOfV1ByItsStatus(t *testing.T) {
	allowed := false
	r := newRig(t, func(c *Config) {
		c.Allowed = func(policy.Start) (int64, error) {
			if !allowed {
				return 0, errors.New("not at this hour")
			}
			return 0, nil
		}
	})
	path, note := r.marker("ran")
	id := r.startV1(note)
	allowed = true // what was refused stays refused
	for range 2 {
		r.want(r.statusV1(id), tentacle.ExitRefused, "! The script is refused: not at this hour\n")
		r.restart()
	}
	if exists(path) {
		t.Error("it ran")
	}
}

func TestATicketOfV1IsNeverOneThatWasGivenBefore(t *testing.T) {
	r := newRig(t)
	task := "ServerTasks-1"
	now := time.Now()
	for second := range 120 { // what an earlier daemon gave, as far as this test may take
		at := now.Add(time.Duration(second) * time.Second)
		cmd := tentacle.CancelScriptCommandV2{Ticket: tentacle.TicketV1(at, &task, 1)} // leaves a tombstone
		if _, err := r.CancelScript(context.Background(), operator, cmd); err != nil {
			t.Fatal(err)
		}
	}
	id := r.startV1("echo mine")
	r.want(r.await(id, 0), 0, "mine\n")
	if want := "-1-2"; id[14:] != want {
		t.Errorf("the ticket is %s, though it should end in %s", id, want)
	}
}

func TestAScriptOfV1GoesOnAfterARestart(t *testing.T) {
	r := newRig(t)
	gate := r.inHome("gate")
	id := r.startV1("while ! test -e '" + gate + "'; do sleep 0.05; done; echo done; exit 7")
	r.restart()
	if got := r.statusV1(id); got.State == tentacle.Complete {
		t.Errorf("after a restart it is %+v", got)
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.want(r.await(id, 0), 7, "done\n")
	r.want(r.statusV1(id), 7, "done\n")
}

func TestACancelOfV1ForNobodysTicketLeavesNothing(t *testing.T) {
	r := newRig(t)
	got, err := r.CancelScriptV1(context.Background(), operator, tentacle.CancelScriptCommand{Ticket: tentacle.ScriptTicket{TaskID: "nobody"}})
	r.want(tentacle.ScriptStatusResponseV2(got), 0, "")
	if err != nil || exists(r.inHome(".tentacle", "cancelled", stoneName("nobody"))) {
		t.Errorf("it left a tombstone, or failed: %v", err)
	}
}
