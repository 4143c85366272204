package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/agent/internal/process/output"
	"github.com/mantledeploy/mantle/agent/internal/scripts"
)

// ended leaves a script in the rig's home as a daemon would: it printed these lines and ended with 3.
func (r *rig) ended(ticket string, lines ...string) {
	r.t.Helper()
	dir := filepath.Join(r.home, ".tentacle", "tickets", strings.ToLower(ticket))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		r.t.Fatal(err)
	}
	command := map[string]any{"version": 1, "ticket": ticket, "operator": "sha256:" + strings.Repeat("ab", 32), "arrived": time.Now()}
	if err := process.WriteState(dir, process.CommandFile, command, false); err != nil {
		r.t.Fatal(err)
	}
	w, err := output.OpenWriter(dir, output.Limits{})
	if err != nil {
		r.t.Fatal(err)
	}
	for i, line := range lines {
		w.Line(output.Source(i%2), line)
	}
	w.Close()
	if _, err := process.Finish(dir, process.Result{ExitCode: 3}); err != nil {
		r.t.Fatal(err)
	}
}

func TestScriptsAreListedAndTheirOutputIsPrinted(t *testing.T) {
	r := newRig(t)
	r.must("init")
	contains(t, r.must("scripts"), "No script is known")
	if out := r.must("scripts", "--json"); strings.TrimSpace(out) != "[]" {
		t.Errorf("no script in JSON is %s", out)
	}
	r.ended("Run-1", "to out", "to err")
	contains(t, r.must("scripts"), "TICKET", "Run-1", "finished", "3", "sha256:abababababab...")
	var seen []scripts.Seen
	if err := json.Unmarshal([]byte(r.must("scripts", "--json")), &seen); err != nil || len(seen) != 1 || *seen[0].ExitCode != 3 {
		t.Errorf("%+v, %v", seen, err)
	}
	exit, out, stderr := r.call("scripts", "logs", "run-1", "-f")
	if exit != ExitOK || out != "to out\n" || stderr != "to err\nThe script ended with exit code 3.\n" {
		t.Errorf("exit code %d, out %q, err %q", exit, out, stderr)
	}
	if out := r.must("scripts", "logs", "run-1", "--timestamps"); !strings.HasSuffix(out, "Z to out\n") {
		t.Errorf("with times: %q", out)
	}
	exit, _, stderr = r.call("scripts", "logs", "unknown")
	if exit != ExitFailed {
		t.Errorf("exit code %d", exit)
	}
	contains(t, stderr, `"unknown"`, "tentacle scripts")
}
