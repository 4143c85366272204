package controllers_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
	"github.com/mantledeploy/mantle/api/v1alpha1"
)

func TestAnOperatorThatIsReplacedGoesOnWithWhatRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.target("web-1"), w.target("web-2")
	letGo := a.holds("web/install")
	defer letGo()
	w.project()
	w.release("1.0.0")
	w.wish("1.0.0")
	w.began(a, "1.0.0 web/install")
	began := time.Now()
	w.stop()
	if took := time.Since(began); took > 25*time.Second {
		t.Errorf("stopping took %s, which is the manager's patience and not the operator's", took)
	}
	w.start()
	w.run("the run goes on", ended("1.0.0", v1alpha1.RunRunning))
	letGo()
	w.readyWith(v1alpha1.ReasonUpToDate)
	w.expectDid(a, versions("1.0.0")...)
	w.expectDid(b, versions("1.0.0")...)
	w.expectOneRun("2/2")
	if n := w.logged("step web/install of 1.0.0"); n != 2 {
		t.Errorf("the logs hold the step's output %d times, wanted once for each of two targets", n)
	}
}

func TestAStepThatEndsWhileThereIsNoOperatorCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.target("web-1")
	letGo := m.holds("web/smoke")
	defer letGo()
	m.fails("web/smoke", 7)
	w.project()
	w.release("1.0.0")
	w.wish("1.0.0")
	w.began(m, "1.0.0 web/smoke")
	w.stop()
	letGo()
	w.start()
	w.readyWith(v1alpha1.ReasonRunFailed)
	failed := w.run("the run failed", ended("1.0.0", v1alpha1.RunFailed))
	if f := failed.Status.Failures; len(f) != 1 || f[0].Step != "web/smoke" || f[0].ExitCode == nil || *f[0].ExitCode != 7 {
		t.Errorf("its failures do not tell how the script ended: %+v", f)
	}
	w.expectDid(m, versions("1.0.0")...)
}

// The request arrived and its answer did not: only asking the machine tells whether the script runs.
func TestAStepWhoseStartWasNotAnsweredRunsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.target("web-1")
	w.project()
	w.reasonOf(&v1alpha1.DeploymentTarget{}, "web-1", v1alpha1.ConditionReady, v1alpha1.ReasonHealthy)
	m.Inject(tentacletest.After("StartScript"), 1, tentacletest.Drop)
	w.release("1.0.0")
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)
	w.expectDid(m, versions("1.0.0")...)
	w.expectOneRun("1/1")
}

func (w *world) expectOneRun(progress string) {
	w.t.Helper()
	runs := w.runs()
	if len(runs) != 1 {
		w.t.Fatalf("%d runs, wanted one", len(runs))
	}
	if r := runs[0]; r.Status.Phase != v1alpha1.RunSucceeded || r.Status.Progress != progress {
		w.t.Errorf("wanted Succeeded %s: %s", progress, describe(&r))
	}
}

// logged counts how often a text is in the operator's files.
func (w *world) logged(text string) int {
	w.t.Helper()
	n := 0
	for _, content := range w.kept() {
		n += bytes.Count(content, []byte(text))
	}
	return n
}

// kept is the content of every file that the operator has on its disk.
func (w *world) kept() (contents [][]byte) {
	w.t.Helper()
	err := filepath.WalkDir(w.options.DataDir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			var content []byte
			content, err = os.ReadFile(path)
			contents = append(contents, content)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it was removed meanwhile
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return contents
}
