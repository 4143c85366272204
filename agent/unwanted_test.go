//go:build linux

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// What the policy or the path refuses is not received: here nothing can be, as the spool is gone.
func TestRefusedContentIsNotReceived(t *testing.T) {
	r := newRuled(t)
	r.rules("requireEngine: true")
	if err := os.Remove(filepath.Join(r.home, ".tentacle", "spool")); err != nil {
		t.Fatal(err)
	}
	large := func(mebibytes int) *halibut.DataStream {
		return halibut.NewDataStreamBytes(make([]byte, mebibytes<<20))
	}
	upload := func(path string, mebibytes int, want string) {
		t.Helper()
		_, err := r.UploadFile(t.Context(), path, large(mebibytes))
		if answer, ok := errors.AsType[*halibut.ServerError](err); !ok || answer.Retryable() || !strings.Contains(answer.Message, want) {
			t.Errorf("upload of %s: %v", path, err)
		}
	}
	upload("notes.txt", 2, "requireEngine")
	upload("notes.txt", 65, "requireEngine")
	start := raw("true")
	start.ScriptTicket, start.Files = ticket("raw"), []tentacle.ScriptFile{{Name: "large", Contents: large(2)}}
	if got, err := r.StartScript(t.Context(), start); err != nil || got.ExitCode != tentacle.ExitRefused {
		t.Errorf("a script that the policy refuses: %+v, %v", got, err)
	}
	v1, err := r.StartScriptV1(t.Context(), tentacle.StartScriptCommand{ScriptBody: "true", Files: start.Files})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.GetStatusV1(t.Context(), tentacle.ScriptStatusRequest{Ticket: v1}); err != nil || got.ExitCode != tentacle.ExitRefused {
		t.Errorf("a script that the policy refuses, by script service V1: %+v, %v", got, err)
	}
	r.rules("")
	upload(".tentacle/policy.yaml", 2, "closed to operators")
	if _, err := r.UploadFile(t.Context(), "notes.txt", large(2)); err == nil || !strings.Contains(err.Error(), "storing received data failed") {
		t.Errorf("what is not refused is received: %v", err)
	}
	if err := r.p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-r.p.ended
	refused := map[string]int64{}
	for _, line := range audited(t, r.home) {
		if line.Decision == "refused" {
			refused[line.What+" "+line.Rule] += max(line.Count, 1)
		}
	}
	if refused["upload requireEngine"] != 2 || refused["start requireEngine"] != 2 || refused["upload "] != 1 {
		t.Errorf("the audit log tells of %v", refused)
	}
}
