//go:build linux

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/hack/kubetest"
)

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	kubetest.Main(m)
}

const operatorNamespace = "mantle-system"

// world is one namespace, an operator for it, and Tentacles, all real.
type world struct {
	t         *testing.T
	cluster   *kubetest.Cluster
	client    client.Client
	namespace string
	dir       string
	packages  string
	operator  *process
	args      []string
	// environment of the operator, beside that of the test.
	environment []string
	tentacles   []*tentacleProcess
	// machine runs a command on another machine than the operator's; nil is this one. listen is the address there.
	machine []string
	listen  string
}

// process is a program that dies with the test.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	log  string
	done chan struct{}
}

func start(t *testing.T, log string, env []string, program string, args ...string) *process {
	t.Helper()
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p := &process{t: t, cmd: exec.CommandContext(context.Background(), program, args...), log: log, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(p.kill)
	return p
}

// signal sends a signal to this process alone and waits for its end.
func (p *process) signal(s syscall.Signal) {
	select {
	case <-p.done:
		return
	default:
	}
	_ = p.cmd.Process.Signal(s)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		p.t.Errorf("%s did not end 20 s after %s", p.cmd.Path, s)
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

func (p *process) kill() { p.signal(syscall.SIGKILL) }

var installed sync.Once

// newWorld makes a namespace with an Environment and runs an operator for it.
func newWorld(t *testing.T) *world {
	t.Helper()
	cluster := kubetest.Start(t)
	w := &world{t: t, cluster: cluster, client: cluster.Client(t), namespace: cluster.Namespace(t), dir: t.TempDir()}
	w.packages = filepath.Join(w.dir, "package-source")
	if err := os.Mkdir(w.packages, 0o700); err != nil {
		t.Fatal(err)
	}
	access := cluster.AsServiceAccount(t, operatorNamespace, "mantle")
	installed.Do(func() {
		root, err := kubetest.Root()
		if err != nil {
			t.Fatal(err)
		}
		files, _ := filepath.Glob(filepath.Join(root, "config/rbac/*.yaml"))
		files = slices.DeleteFunc(files, func(name string) bool { return filepath.Base(name) == "kustomization.yaml" })
		cluster.Apply(t, "", files...)
	})
	w.args = []string{"--kubeconfig", kubetest.KubeconfigFor(t, access), "--namespace", operatorNamespace, "--namespaces", w.namespace,
		"--data-dir", filepath.Join(w.dir, "operator"), "--package-root", w.packages, "--target-allow-cidr", "127.0.0.0/8", "--metrics-bind-address", "0",
		"--health-probe-bind-address", "0", "--leader-elect", "--lease-duration", "5s", "--leader-election-id", "e2e-" + w.namespace}
	w.startOperator()
	w.create(&v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Name: "production"}})
	return w
}

func (w *world) startOperator() {
	w.t.Helper()
	w.operator = start(w.t, filepath.Join(w.dir, "operator.log"), append([]string{"TMPDIR=" + w.tmp()}, w.environment...),
		kubetest.Binary(w.t, "operator"), w.args...)
}

// tmp is the temporary folder of all processes.
func (w *world) tmp() string {
	dir := filepath.Join(w.dir, "tmp")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		w.t.Fatal(err)
	}
	return dir
}

// tentacleProcess is a daemon with a home.
type tentacleProcess struct {
	*process
	world      *world
	program    string
	name, home string
	address    string
	thumbprint string
}

// tentacle makes a home that trusts the operator, runs the daemon, and makes the DeploymentTarget.
func (w *world) tentacle(name string) *tentacleProcess {
	w.t.Helper()
	return w.tentacleOf(name, kubetest.Binary(w.t, "tentacle"))
}

// tentacleOf is tentacle with a program of one's own.
func (w *world) tentacleOf(name, program string) *tentacleProcess {
	w.t.Helper()
	address := w.listen
	if address == "" {
		l, err := net.Listen("tcp", tentacletest.Loopback())
		if err != nil {
			w.t.Fatal(err)
		}
		address = l.Addr().String()
		_ = l.Close()
	}
	home := filepath.Join(w.dir, "homes", name)
	m := &tentacleProcess{world: w, program: program, name: name, home: home, address: address}
	m.run("init", "--listen", address, "--trust", w.thumbprint())
	var shown struct {
		Thumbprint struct{ SHA1, SHA256 string }
		SHA256     string `json:"sha256"`
	}
	out := m.run("show", "--json")
	if err := json.Unmarshal(out, &shown); err != nil {
		w.t.Fatalf("tentacle show --json: %v\n%s", err, out)
	}
	m.thumbprint = shown.SHA256
	if m.thumbprint == "" {
		m.thumbprint = shown.Thumbprint.SHA256
	}
	m.start()
	w.tentacles = append(w.tentacles, m)
	w.create(&v1alpha1.DeploymentTarget{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.DeploymentTargetSpec{
		Address: address, Thumbprint: m.thumbprint, Environments: []v1alpha1.ObjectName{"production"}, Roles: []v1alpha1.Role{"web"}}})
	return m
}

func (m *tentacleProcess) run(args ...string) []byte {
	m.world.t.Helper()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(m.world.t.Context(), m.program, append(args, "--home", m.home)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		m.world.t.Fatalf("tentacle %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr.String())
	}
	return out
}

// start runs the daemon and waits until it listens.
func (m *tentacleProcess) start() {
	m.world.t.Helper()
	command := append(slices.Clone(m.world.machine), m.program, "run", "--home", m.home)
	run := func() {
		m.process = start(m.world.t, m.home+".log", []string{"TMPDIR=" + m.world.tmp()}, command[0], command[1:]...)
	}
	run()
	m.world.eventually(m.name+" listens", time.Minute, func() (bool, string) {
		select {
		case <-m.done: // its port may be held by a supervisor that is just being started
			run()
			return false, "it ended"
		default:
		}
		c, err := net.DialTimeout("tcp", m.address, time.Second)
		if err != nil {
			return false, err.Error()
		}
		_ = c.Close()
		return true, ""
	})
}

// thumbprint is what the operator publishes for the namespace.
func (w *world) thumbprint() string {
	w.t.Helper()
	var cm corev1.ConfigMap
	w.eventually("the operator publishes its thumbprint", 30*time.Second, func() (bool, string) {
		err := w.client.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "mantle-identity"}, &cm)
		return err == nil, fmt.Sprint(err)
	})
	return cm.Data["thumbprint-sha256"]
}

func (w *world) create(o client.Object) {
	w.t.Helper()
	o.SetNamespace(w.namespace)
	if err := w.client.Create(w.t.Context(), o); err != nil {
		w.t.Fatalf("creating %s: %v", o.GetName(), err)
	}
}

// eventually polls until check is content, and says what was there when it was not in time.
func (w *world) eventually(what string, limit time.Duration, check func() (bool, string)) {
	w.t.Helper()
	seen := ""
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(30 * time.Millisecond) {
		ok, now := check()
		if ok {
			return
		}
		seen = now
	}
	w.t.Fatalf("%s: not within %s; last seen: %s\n%s", what, limit, seen, w.tail())
}

// tail is the end of the operator's log.
func (w *world) tail() string {
	content, _ := os.ReadFile(filepath.Join(w.dir, "operator.log"))
	return string(content[max(0, len(content)-3000):])
}

// script makes the project shop with one Bash step, and a release of it and of its packages.
func (w *world) script(version v1alpha1.Version, script string, change ...func(*v1alpha1.Project)) {
	w.t.Helper()
	p := &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: "shop"}, Spec: v1alpha1.ProjectSpec{Steps: []v1alpha1.Step{{Name: "work",
		StepModifiers: v1alpha1.StepModifiers{Run: &v1alpha1.RunStep{Shell: v1alpha1.ShellBash, Script: script}}}}}}
	for _, c := range change {
		c(p)
	}
	w.create(p)
	r := &v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: "shop-" + string(version)}, Spec: v1alpha1.ReleaseSpec{Project: "shop", Version: version}}
	for _, packaged := range p.Spec.Packages {
		r.Spec.Packages = append(r.Spec.Packages, v1alpha1.ReleasePackage{Name: packaged.Name, Version: string(version)})
	}
	w.create(r)
}

func (w *world) bind(version v1alpha1.Version) {
	w.t.Helper()
	w.create(&v1alpha1.ReleaseBinding{ObjectMeta: metav1.ObjectMeta{Name: "shop-production"},
		Spec: v1alpha1.ReleaseBindingSpec{Project: "shop", Environment: "production", Release: version}})
}

// ended waits for the namespace's one run to end.
func (w *world) ended(limit time.Duration) *v1alpha1.DeploymentRun {
	w.t.Helper()
	var runs v1alpha1.DeploymentRunList
	w.eventually("the run ends", limit, func() (bool, string) {
		if err := w.client.List(w.t.Context(), &runs, client.InNamespace(w.namespace)); err != nil || len(runs.Items) != 1 {
			return false, fmt.Sprintf("%d runs, %v", len(runs.Items), err)
		}
		run := runs.Items[0]
		ready := meta.FindStatusCondition(run.Status.Conditions, v1alpha1.ConditionReady)
		if ready == nil {
			return false, "no condition"
		}
		return run.Status.Phase.IsTerminal(), string(run.Status.Phase) + ": " + ready.Message
	})
	return &runs.Items[0]
}

// rows are the actions on a target.
func (w *world) rows(target string) []v1alpha1.ActionStatus {
	w.t.Helper()
	var list v1alpha1.DeploymentRunSliceList
	if err := w.client.List(w.t.Context(), &list, client.InNamespace(w.namespace)); err != nil {
		w.t.Fatal(err)
	}
	for _, s := range list.Items {
		for _, r := range s.Status.Results {
			if r.Target == target {
				return r.Steps
			}
		}
	}
	return nil
}

// output is what the operator keeps of the one step on a target.
func (w *world) output(run, target string) string {
	var of v1alpha1.DeploymentRun
	if err := w.client.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: run}, &of); err != nil {
		return err.Error()
	}
	content, err := os.ReadFile(filepath.Join(w.dir, "operator", "logs", w.namespace, string(of.UID), target, "work.1.log"))
	if err != nil {
		return err.Error()
	}
	var lines []string
	for line := range strings.SplitSeq(strings.TrimSuffix(string(content), "\n"), "\n") {
		if parts := strings.SplitN(line, "\t", 4); len(parts) == 4 {
			lines = append(lines, parts[3])
		}
	}
	return strings.Join(lines, "\n")
}
