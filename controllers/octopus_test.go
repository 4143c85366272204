//go:build unix

package controllers_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/hack/kubetest"
)

// octopusWorld is a world whose operator has an engine for this machine, a package, and Octopus Tentacles of three
// generations, on which scripts run for real.
func octopusWorld(t *testing.T) (*world, map[string]*tentacletest.Fake) {
	t.Helper()
	engines, root := t.TempDir(), t.TempDir()
	if err := os.Symlink(kubetest.Binary(t, "tentacle"), filepath.Join(engines, "tentacle-"+runtime.GOOS+"-"+runtime.GOARCH)); err != nil {
		t.Fatal(err)
	}
	writePackage(t, filepath.Join(root, "web-1.0.0.tar"), "hello of 1.0.0\n")
	w := newWorld(t, func(w *world) { w.options.EngineDir, w.options.PackageRoot = engines, root })
	machines := map[string]*tentacletest.Fake{}
	for name, g := range map[string]tentacletest.Generation{
		"tentacle-5": tentacletest.Octopus5, "tentacle-7": tentacletest.Octopus7, "tentacle-9": tentacletest.Octopus9,
	} {
		f := tentacletest.StartFake(t, tentacletest.Options{Generation: g, Trusted: []halibut.Thumbprint{w.operator()}})
		machines[name] = f
		w.create(&v1alpha1.DeploymentTarget{ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: v1alpha1.DeploymentTargetSpec{Address: f.Endpoint().Address, Thumbprint: string(f.Endpoint().Thumbprint),
				Environments: []v1alpha1.ObjectName{"production"}, Roles: []v1alpha1.Role{"web"}}})
	}
	return w, machines
}

func writePackage(t *testing.T, path, body string) {
	t.Helper()
	var b bytes.Buffer
	a := tar.NewWriter(&b)
	err := a.WriteHeader(&tar.Header{Name: "hello.txt", Mode: 0o644, Size: int64(len(body)), Typeflag: tar.TypeReg})
	_, failed := a.Write([]byte(body))
	if err := errors.Join(err, failed, a.Close(), os.WriteFile(path, b.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// octopusProject installs a package, and says what is installed. The step "say" writes to the file ran, and waits for
// the file gate where the file hold is there.
func (w *world) octopusProject(root string) {
	w.t.Helper()
	say := script("say", roles("web"))
	say.Run.Script = `echo say >> "$MANTLE_HOME/ran"
while [ -e "$MANTLE_HOME/hold" ]; do sleep 0.05; done
cat "$MANTLE_HOME/Applications/$MANTLE_NAMESPACE/production/shop/web/current/hello.txt"`
	w.project(steps(
		v1alpha1.Step{Name: "install", Roles: []v1alpha1.Role{"web"}, StepModifiers: v1alpha1.StepModifiers{Deploy: &v1alpha1.DeployStep{Package: "web"}}},
		say,
	), func(p *v1alpha1.Project) {
		p.Spec.Packages = []v1alpha1.ProjectPackage{{Name: "web", URL: "file://" + root + "/web-{version}.tar"}}
	})
	w.release("1.0.0", func(r *v1alpha1.Release) {
		r.Spec.Packages = []v1alpha1.ReleasePackage{{Name: "web", Version: "1.0.0"}}
	})
}

// told is how often each machine's step ran.
func told(t *testing.T, machines map[string]*tentacletest.Fake) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for name, f := range machines {
		data, _ := os.ReadFile(filepath.Join(f.Home(), "ran"))
		counts[name] = strings.Count(string(data), "\n")
	}
	return counts
}

func expectOnce(t *testing.T, machines map[string]*tentacletest.Fake) {
	t.Helper()
	for name, n := range told(t, machines) {
		if n != 1 {
			t.Errorf("the step ran %d times on %s", n, name)
		}
		engines, _ := filepath.Glob(filepath.Join(machines[name].Home(), "Files", "mantle-engines", "*"))
		uploads := 0
		for _, c := range machines[name].Calls() {
			if c == "UploadFile" {
				uploads++
			}
		}
		if len(engines) != 1 || uploads != 2 {
			t.Errorf("%s has the engines %q after %d uploads, wanted one engine and one package", name, engines, uploads)
		}
	}
}

func TestOctopusTentaclesAreDeployedTo(t *testing.T) {
	t.Parallel()
	w, machines := octopusWorld(t)
	w.octopusProject(w.options.PackageRoot)
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)
	w.expectOneRun("3/3")
	expectOnce(t, machines)
	for name, g := range map[string]tentacletest.Generation{"tentacle-5": tentacletest.Octopus5, "tentacle-9": tentacletest.Octopus9} {
		var dt v1alpha1.DeploymentTarget
		if err := w.client.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, &dt); err != nil {
			t.Fatal(err)
		}
		said := dt.Status.Tentacle
		if said == nil || said.Flavor != v1alpha1.FlavorOctopus || said.Version != g.Version() || said.OS != runtime.GOOS || said.Arch != runtime.GOARCH || dt.Status.Health != v1alpha1.HealthHealthy {
			t.Errorf("%s is %s: %+v", name, dt.Status.Health, said)
		}
		if len(dt.Status.Installed) != 1 || dt.Status.Installed[0].Phase != v1alpha1.InstalledSucceeded {
			t.Errorf("installed on %s: %+v", name, dt.Status.Installed)
		}
	}
	if n := w.logged("\tO\t"); n < 3 {
		t.Errorf("the logs have %d lines of output", n)
	}
	if n := w.logged("hello of 1.0.0"); n != 3+1 { // and the package itself, in the cache
		t.Errorf("the step's output is there %d times, wanted three", n-1)
	}
	for _, launcher := range []string{"Acquiring isolation mutex", "Executable directory is"} {
		if w.logged(launcher) == 0 || w.loggedAs('O', launcher) != 0 {
			t.Errorf("%q is not kept, or kept as the step's output", launcher)
		}
	}
}

// loggedAs counts the lines of a stream with a text.
func (w *world) loggedAs(stream rune, text string) int {
	w.t.Helper()
	n := 0
	for _, content := range w.kept() {
		for line := range strings.Lines(string(content)) {
			if strings.Contains(line, "\t"+string(stream)+"\t") && strings.Contains(line, text) {
				n++
			}
		}
	}
	return n
}

func TestAnOperatorThatIsReplacedRunsNothingTwiceOnOctopusTentacles(t *testing.T) {
	t.Parallel()
	w, machines := octopusWorld(t)
	for _, f := range machines {
		if err := os.WriteFile(filepath.Join(f.Home(), "hold"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.octopusProject(w.options.PackageRoot)
	w.wish("1.0.0")
	w.eventually("the step runs everywhere", func() (bool, string) {
		counts := told(t, machines)
		return counts["tentacle-5"]+counts["tentacle-7"]+counts["tentacle-9"] == 3, ""
	})
	w.restart()
	w.run("the run goes on", ended("1.0.0", v1alpha1.RunRunning))
	for _, f := range machines {
		if err := os.Remove(filepath.Join(f.Home(), "hold")); err != nil {
			t.Fatal(err)
		}
	}
	w.readyWith(v1alpha1.ReasonUpToDate)
	w.expectOneRun("3/3")
	expectOnce(t, machines)
}

// Over V1 nobody can ask for a script whose start was not answered. Its engine knows.
func TestAStartThatAnOctopusTentacleDidNotAnswerRunsOnce(t *testing.T) {
	t.Parallel()
	w, machines := octopusWorld(t)
	for name := range machines {
		w.reasonOf(&v1alpha1.DeploymentTarget{}, name, v1alpha1.ConditionReady, v1alpha1.ReasonHealthy)
	}
	for _, f := range machines {
		f.Inject(tentacletest.After("StartScript"), 2, tentacletest.Drop)
	}
	w.octopusProject(w.options.PackageRoot)
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)
	w.expectOneRun("3/3")
	for name, n := range told(t, machines) {
		if n != 1 {
			t.Errorf("the step ran %d times on %s", n, name)
		}
	}
}
