//go:build linux

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// counting is a script that writes one line a tenth of a second and says in a file that it ran.
const counting = `echo ran >> "$MARKS"
for i in $(seq 1 25); do echo "line $i"; sleep 0.08; done
`

func want() string {
	lines := make([]string, 25)
	for i := range lines {
		lines[i] = fmt.Sprintf("line %d", i+1)
	}
	return strings.Join(lines, "\n")
}

func marks(w *world) (path string, change func(*v1alpha1.Project)) {
	path = filepath.Join(w.dir, "marks")
	return path, func(p *v1alpha1.Project) {
		p.Spec.Steps[0].Run.Env = []v1alpha1.EnvVar{{Name: "MARKS", Value: path}}
	}
}

func ranTimes(t *testing.T, path string) int {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Count(string(content), "ran\n")
}

// TestTheOperatorIsKilledWhileAStepRuns kills the operator at random points of a step of two seconds, ten times, each in a
// world of its own: the script ran once, its output is whole, and the run ends truthfully.
func TestTheOperatorIsKilledWhileAStepRuns(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for i := range 10 {
		after := time.Duration(random.IntN(2200)) * time.Millisecond
		t.Run(fmt.Sprintf("%d after %s", i, after), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.tentacle("web-1")
			path, change := marks(w)
			w.script("1.0.0", counting, change)
			w.bind("1.0.0")
			w.eventually("the run begins", 30*time.Second, func() (bool, string) { return len(w.rows("web-1")) > 0, "no row" })
			time.Sleep(after) // the moment itself is what is tested
			w.operator.kill()
			w.startOperator()
			run := w.ended(60 * time.Second)
			if run.Status.Phase != v1alpha1.RunSucceeded {
				t.Errorf("the run ended as %s: %+v", run.Status.Phase, run.Status.Failures)
			}
			if n := ranTimes(t, path); n != 1 {
				t.Errorf("the script ran %d times", n)
			}
			if got := w.output(run.Name, "web-1"); got != want() {
				t.Errorf("the output is %q", got)
			}
		})
	}
}

// TestTheDaemonIsKilledBetweenSteps restarts the daemon while nothing runs on it: the run goes on.
func TestTheDaemonIsKilledBetweenSteps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.tentacle("web-1"), w.tentacle("web-2")
	w.script("1.0.0", "sleep 0.5; echo done", func(p *v1alpha1.Project) {
		second := p.Spec.Steps[0]
		second.Name = "again"
		p.Spec.Steps = append(p.Spec.Steps, second)
	})
	w.bind("1.0.0")
	w.eventually("the first step is done on one", 60*time.Second, func() (bool, string) {
		rows := w.rows("web-1")
		return len(rows) > 0 && rows[0].Phase == v1alpha1.StepSucceeded, fmt.Sprint(rows)
	})
	for _, m := range []*tentacleProcess{a, b} {
		m.kill()
		m.start()
	}
	if run := w.ended(60 * time.Second); run.Status.Phase != v1alpha1.RunSucceeded {
		t.Errorf("the run ended as %s: %+v", run.Status.Phase, run.Status.Failures)
	}
}

// TestTheDaemonIsKilledAroundStartScript kills the daemon at random instants around StartScript, and starts it again: the
// script ran at most once, and the status says truthfully whether.
func TestTheDaemonIsKilledAroundStartScript(t *testing.T) {
	instants := 50
	if testing.Short() {
		instants = 5
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	w := newWorld(t)
	m := w.tentacle("web-1")
	path, change := marks(w)
	w.script("1.0.0", `echo ran >> "$MARKS"; sleep 0.05; echo done`, change)
	w.eventually("the target is healthy", 30*time.Second, func() (bool, string) { return w.healthy("web-1") })
	outcomes := map[string]int{}
	for i := range instants {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("by-hand-%02d", i)
		w.run(name, "1.0.0")
		w.eventually("the row is written", 30*time.Second, func() (bool, string) { return len(w.rowsOf(name, "web-1")) > 0, "no row" })
		time.Sleep(time.Duration(random.IntN(120)) * time.Millisecond) // the moment itself is what is tested
		m.signal(syscall.SIGKILL)
		m.start()
		run := w.endedRun(name, 90*time.Second)
		rows, n := w.rowsOf(name, "web-1"), ranTimes(t, path)
		outcome := string(rows[0].Phase)
		outcomes[outcome]++
		switch {
		case n > 1:
			t.Fatalf("instant %d: the script ran %d times", i, n)
		case rows[0].Phase == v1alpha1.StepSucceeded && n != 1:
			t.Errorf("instant %d: %s, but the script ran %d times", i, outcome, n)
		case !run.Status.Phase.IsTerminal():
			t.Errorf("instant %d: the run did not end", i)
		}
		w.eventually("the target is healthy again", 60*time.Second, func() (bool, string) { return w.healthy("web-1") })
	}
	t.Logf("outcomes: %v", outcomes)
}
