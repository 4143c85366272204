//go:build linux

package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/hack/kubetest"
)

// outputVariable says how much a step prints, in MiB, as in MANTLE_OUTPUT_MIB=1024.
const outputVariable = "MANTLE_OUTPUT_MIB"

// maxForOutput is what the operator may need for the output of a step, beside what it needs without.
const maxForOutput = 120_000_000

// printed is each line of that output.
var printed = strings.Repeat("all work and no play makes a dull log ", 27)[:999]

// printedLines is how many lines of it a step prints.
func printedLines(t *testing.T) int {
	t.Helper()
	mib := 64
	if given := os.Getenv(outputVariable); given != "" {
		var err error
		if mib, err = strconv.Atoi(given); err != nil || mib < 64 {
			t.Fatalf("%s is %q, which is no number of at least 64", outputVariable, given)
		}
	}
	return (mib<<20)/(len(printed)+1) + 1
}

// A Tentacle of Octopus's gives all that a step has printed in one answer. The operator has little of it in memory at a time.
func TestAnOctopusTentacleMayAnswerWithAGibibyte(t *testing.T) {
	if testing.Short() {
		t.Skip("it goes on for some seconds")
	}
	w, lines := newWorld(t), printedLines(t)
	program, home, engines := kubetest.Binary(t, "tentacle"), t.TempDir(), t.TempDir()
	content, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(content)
	installed := filepath.Join(home, "Files", "mantle-engines")
	for folder, name := range map[string]string{engines: "tentacle-" + runtime.GOOS + "-" + runtime.GOARCH, installed: hex.EncodeToString(digest[:])} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(program, filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	at := tentacletest.StartFlood(t, tentacletest.Flood{Line: printed, Script: func(s tentacletest.FloodScript) (int, []string) {
		var plan step.Plan
		_ = json.Unmarshal(s.Files[step.PlanFile], &plan)
		last := really(t, home, s)
		if plan.Kind == step.KindRun {
			return lines, last
		}
		return 0, last
	}})
	w.operator.signal(15)
	w.args = append(w.args, "--engine-dir", engines)
	w.startOperator()
	w.thumbprint()
	w.create(&v1alpha1.DeploymentTarget{ObjectMeta: metav1.ObjectMeta{Name: "web-1"}, Spec: v1alpha1.DeploymentTargetSpec{
		Address: at.Address, Thumbprint: string(at.Thumbprint), Environments: []v1alpha1.ObjectName{"production"}, Roles: []v1alpha1.Role{"web"}}})
	w.prints("exit 3", lines)
}

// really runs a script as a Tentacle does whose home that is, and returns what it wrote.
func really(t *testing.T, home string, s tentacletest.FloodScript) []string {
	folder := filepath.Join(home, "Work", s.Ticket)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Error(err)
	}
	for name, content := range s.Files {
		if err := os.WriteFile(filepath.Join(folder, filepath.Base(name)), content, 0o600); err != nil {
			t.Error(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", s.Bash)
	cmd.Dir, cmd.Env = folder, append(os.Environ(), "TentacleHome="+home, "TentacleVersion=9.2.4285")
	out, _ := cmd.Output() // what it ends with is told in its last line
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

// Mantle's own Tentacle keeps 50 MB of what a step has printed, and says what it cut.
func TestAStepMayPrintAGibibyte(t *testing.T) {
	if testing.Short() {
		t.Skip("it goes on for some seconds")
	}
	w, lines := newWorld(t), printedLines(t)
	w.tentacle("web-1")
	w.prints(fmt.Sprintf("yes '%s' | head -n %d; exit 3", printed, lines), lines)
}

// prints lets a script run that prints so many lines and ends with exit code 3. The log has no line that was not printed, and
// says what it lacks; the result is true, and the operator's memory is bounded.
func (w *world) prints(script string, lines int) {
	w.t.Helper()
	w.eventually("the machine is healthy", time.Minute, func() (bool, string) { return w.healthy("web-1") })
	w.script("1.0.0", script)
	clear := filepath.Join("/proc", strconv.Itoa(w.operator.cmd.Process.Pid), "clear_refs")
	if err := os.WriteFile(clear, []byte("5"), 0); err != nil {
		w.t.Fatal(err)
	}
	idle, begun := w.memory(), time.Now()
	w.bind("1.0.0")
	run := w.ended(10 * time.Minute)
	rows := w.rows("web-1")
	if run.Status.Phase != v1alpha1.RunFailed || len(rows) != 1 || rows[0].ExitCode == nil || *rows[0].ExitCode != 3 {
		w.t.Errorf("the run ended as %s: %+v", run.Status.Phase, rows)
	}
	more := w.peak() - idle
	log, whole, missing, truncated := strings.TrimSpace(w.output(run.Name, "web-1")), 0, 0, false
	for line := range strings.Lines(log) {
		switch line = strings.TrimSuffix(line, "\n"); {
		case line == printed:
			whole++
		case strings.Contains(line, printed[:30]):
			w.t.Errorf("the log has a line of %d bytes that was not printed", len(line))
		case strings.HasPrefix(line, "the log was truncated here"):
			truncated = true
		default:
			n := 0
			_, _ = fmt.Sscanf(line, "[%d lines of output", &n)
			missing += n
		}
	}
	w.t.Logf("%d MiB of output within %s: the operator took %.1f MB more than the %.1f MB before; its log has %d of %d lines", lines*(len(printed)+1)>>20,
		time.Since(begun).Round(100*time.Millisecond), float64(more)/1e6, float64(idle)/1e6, whole, lines)
	if more > maxForOutput {
		w.t.Errorf("that is more than %d MB", maxForOutput/1_000_000)
	}
	if whole < 40_000 || whole > lines || !truncated && whole+missing != lines {
		w.t.Errorf("the log says that %d lines are missing, and that it was truncated: %v", missing, truncated)
	}
}
