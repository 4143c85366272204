package controllers_test

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/testr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers"
	"github.com/mantledeploy/mantle/hack/kubetest"
)

// parallel is how many scenarios run at once; each waits more than it works.
const parallel = "16"

func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", parallel); err != nil {
		panic(err)
	}
	ctrl.SetLogger(logr.Discard())
	kubetest.Main(m)
}

// world is a namespace of a real API server, an operator in this process that has exactly the rights of its
// ServiceAccount, and machines that are fakes.
type world struct {
	t         *testing.T
	cluster   *kubetest.Cluster
	client    client.Client
	namespace string
	options   controllers.Options
	// tune changes how the operator reaches the API server; nil changes nothing.
	tune func(*rest.Config, *ctrl.Options)
	// patience is how long eventually waits, and pause how long between two questions; 0 is two minutes, and 20 ms.
	patience, pause time.Duration
	stop            func()
}

const operatorNamespace = "mantle-system"

// loopback is where the fakes listen.
func loopback() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

func newWorld(t *testing.T, change ...func(*world)) *world {
	t.Helper()
	cluster := kubetest.Start(t)
	w := &world{t: t, cluster: cluster, client: cluster.Client(t), namespace: cluster.Namespace(t),
		options: controllers.Options{Namespace: operatorNamespace, DataDir: t.TempDir(), TargetAllowCIDRs: loopback()}}
	for _, c := range change {
		c(w)
	}
	w.start()
	t.Cleanup(func() { w.stop() })
	return w
}

// installed makes the operator's namespace, account and rights once for this binary.
var installed sync.Once

// discovered waits until the API server lists our kinds, which is a moment after it serves them.
func (w *world) discovered() {
	w.t.Helper()
	d, err := discovery.NewDiscoveryClientForConfig(w.cluster.Config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.eventually("our kinds are listed", func() (bool, string) {
		list, err := d.ServerResourcesForGroupVersion(v1alpha1.GroupVersion.String())
		if err != nil {
			return false, err.Error()
		}
		found := slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Kind == "DeploymentRunSlice" })
		return found, fmt.Sprintf("%d resources", len(list.APIResources))
	})
}

// start runs the operator until stop is called.
func (w *world) start() {
	w.t.Helper()
	installed.Do(func() {
		files, err := filepath.Glob("../config/rbac/*.yaml")
		if err != nil {
			w.t.Fatal(err)
		}
		files = slices.DeleteFunc(files, func(name string) bool { return filepath.Base(name) == "kustomization.yaml" })
		w.cluster.AsServiceAccount(w.t, operatorNamespace, "mantle") // makes the namespace
		w.cluster.Apply(w.t, "", files...)
		w.discovered()
	})
	access := w.cluster.AsServiceAccount(w.t, operatorNamespace, "mantle")
	access.QPS = -1
	logger := logr.Discard()
	if testing.Verbose() {
		logger = testr.New(w.t)
	}
	skip := true
	options := ctrl.Options{
		Scheme: kubetest.Scheme(w.t), Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0", Logger: logger,
		Cache:      cache.Options{DefaultNamespaces: map[string]cache.Config{w.namespace: {}}},
		Client:     client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}, &corev1.Namespace{}}}},
		Controller: config.Controller{SkipNameValidation: &skip},
	}
	if w.tune != nil {
		w.tune(access, &options)
	}
	mgr, err := ctrl.NewManager(access, options)
	if err != nil {
		w.t.Fatal(err)
	}
	w.options.Logger = logger
	if err := controllers.Setup(mgr, w.options); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	var once sync.Once
	w.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				w.t.Errorf("the operator ended with %v", err)
			}
		})
	}
}

// restart ends the operator and starts another.
func (w *world) restart() {
	w.t.Helper()
	w.stop()
	w.start()
}

// fakeMachine is a fake Tentacle whose engine does what the test says.
type fakeMachine struct {
	*tentacletest.Fake
	name string

	mu sync.Mutex
	// exit is the exit code by step; hold blocks a step until it is closed.
	exit map[string]int
	hold map[string]chan struct{}
	ran  []string
	rows []step.Installed
	// plans are what arrived with every step that ran, files everything in it.
	plans []step.Plan
	files []map[string][]byte
}

// target makes a machine and its DeploymentTarget, trusted both ways.
func (w *world) target(name string, change ...func(*v1alpha1.DeploymentTarget)) *fakeMachine {
	w.t.Helper()
	m := w.machine(name)
	w.register(m, change...)
	return m
}

// machine makes a fake Tentacle that trusts this namespace's operator.
func (w *world) machine(name string) *fakeMachine {
	w.t.Helper()
	m := &fakeMachine{name: name, exit: map[string]int{}, hold: map[string]chan struct{}{}}
	m.Fake = tentacletest.StartFake(w.t, tentacletest.Options{Script: m.engine, Trusted: []halibut.Thumbprint{w.operator()},
		Facts: tentacle.Facts{Version: "0.1.0", OS: "linux", Arch: "amd64", Engine: step.Version}})
	return m
}

// register makes the DeploymentTarget of a machine.
func (w *world) register(m *fakeMachine, change ...func(*v1alpha1.DeploymentTarget)) {
	w.t.Helper()
	t := &v1alpha1.DeploymentTarget{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: m.name},
		Spec: v1alpha1.DeploymentTargetSpec{Address: m.Endpoint().Address, Thumbprint: string(m.Endpoint().Thumbprint),
			Environments: []v1alpha1.ObjectName{"production"}, Roles: []v1alpha1.Role{"web"}}}
	for _, c := range change {
		c(t)
	}
	w.create(t)
}

// operator is the thumbprint that the operator published in the namespace; an environment is made for it.
func (w *world) operator() halibut.Thumbprint {
	w.t.Helper()
	e := &v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "production"}}
	if err := w.client.Create(w.t.Context(), e); err != nil && !strings.Contains(err.Error(), "already exists") {
		w.t.Fatal(err)
	}
	var cm corev1.ConfigMap
	w.eventually("the thumbprint is published", func() (bool, string) {
		err := w.client.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "mantle-identity"}, &cm)
		return err == nil, fmt.Sprint(err)
	})
	return halibut.Thumbprint(cm.Data["thumbprint-sha256"])
}

// engine does what the real one does, as far as the operator can see.
func (m *fakeMachine) engine(ctx context.Context, e *tentacletest.Execution) int32 {
	var p step.Plan
	if err := json.Unmarshal(e.Files[step.PlanFile], &p); err != nil {
		return 120
	}
	if p.Kind == step.KindInventory {
		m.mu.Lock()
		rows, err := step.FormatInventory(p.Nonce, step.Inventory{OS: "linux", Arch: "amd64", Installed: m.rows})
		m.mu.Unlock()
		if err != nil {
			return 1
		}
		for _, row := range rows {
			e.Print(tentacle.StdOut, row)
		}
		return m.result(e, p, 0)
	}
	if p.Kind == step.KindHealth {
		m.mu.Lock()
		exit := m.exit["health"]
		m.mu.Unlock()
		return m.result(e, p, exit)
	}
	m.mu.Lock()
	hold, exit := m.hold[p.Step], m.exit[p.Step]
	m.ran = append(m.ran, p.Release+" "+p.Step)
	m.plans, m.files = append(m.plans, p), append(m.files, e.Files)
	m.mu.Unlock()
	e.Print(tentacle.StdOut, "step "+p.Step+" of "+p.Release)
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return tentacle.ExitCanceled
		}
	}
	for _, name := range p.Outputs {
		line, err := step.FormatOutput(p.Nonce, name, name+" of "+m.name)
		if err != nil {
			return 1
		}
		e.Print(tentacle.StdOut, line)
	}
	m.journal(p, exit)
	return m.result(e, p, exit)
}

func (m *fakeMachine) journal(p step.Plan, exit int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	row := step.Installed{Namespace: p.Namespace, Environment: p.Environment, Project: p.Project, Release: p.Release, Snapshot: p.Snapshot,
		Run: p.RunName, RunUID: p.RunUID, Phase: "Incomplete", Time: time.Now()}
	if p.Final && exit == 0 {
		row.Phase = "Succeeded"
	}
	m.rows = []step.Installed{row}
}

func (m *fakeMachine) result(e *tentacletest.Execution, p step.Plan, exit int) int32 {
	r := step.Result{ExitCode: exit, Seconds: 0.1}
	if exit != 0 {
		r.Reason, r.Tail = step.ReasonExitCode, "the smoke test did not pass"
	}
	line, err := step.FormatResult(p.Nonce, r)
	if err != nil {
		return 1
	}
	e.Print(tentacle.StdOut, line)
	return int32(exit)
}

// holds makes a step wait on this machine until the returned function is called.
func (m *fakeMachine) holds(name string) (release func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	gate := make(chan struct{})
	m.hold[name] = gate
	return sync.OnceFunc(func() {
		m.mu.Lock()
		delete(m.hold, name)
		m.mu.Unlock()
		close(gate)
	})
}

func (m *fakeMachine) fails(name string, exit int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.exit[name] = exit
}

// did lists the steps that ran on the machine.
func (m *fakeMachine) did() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.ran...)
}

// plan is what arrived with the nth step that ran.
func (m *fakeMachine) plan(n int) step.Plan {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n >= len(m.plans) {
		return step.Plan{}
	}
	return m.plans[n]
}

func (w *world) create(o client.Object) {
	w.t.Helper()
	o.SetNamespace(w.namespace)
	if err := w.client.Create(w.t.Context(), o); err != nil {
		w.t.Fatalf("creating %s: %v", o.GetName(), err)
	}
}

// eventually waits for something, at most five minutes or the world's patience, and says what was there instead.
func (w *world) eventually(what string, check func() (bool, string)) {
	w.t.Helper()
	seen, limit, pause := "", cmp.Or(w.patience, 5*time.Minute), cmp.Or(w.pause, 20*time.Millisecond)
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(pause) {
		ok, now := check()
		if ok {
			return
		}
		seen = now
	}
	w.t.Fatalf("%s: not within %s; last seen: %s", what, limit, seen)
}

// project makes the project shop: a rolling step with an install and a smoke test.
func (w *world) project(change ...func(*v1alpha1.Project)) {
	w.t.Helper()
	script := func(name v1alpha1.StepName) v1alpha1.ChildStep {
		return v1alpha1.ChildStep{Name: name, StepModifiers: v1alpha1.StepModifiers{Run: &v1alpha1.RunStep{Shell: v1alpha1.ShellBash, Script: "true"}}}
	}
	p := &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: "shop"},
		Spec: v1alpha1.ProjectSpec{Steps: []v1alpha1.Step{{Name: "web", Steps: []v1alpha1.ChildStep{script("install"), script("smoke")}}}}}
	for _, c := range change {
		c(p)
	}
	w.create(p)
}

func (w *world) release(version v1alpha1.Version, change ...func(*v1alpha1.Release)) {
	w.t.Helper()
	r := &v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.ReleaseName("shop", version)}, Spec: v1alpha1.ReleaseSpec{Project: "shop", Version: version}}
	for _, c := range change {
		c(r)
	}
	w.create(r)
}

// wish says which release production shall run.
func (w *world) wish(version v1alpha1.Version) {
	w.t.Helper()
	b := &v1alpha1.ReleaseBinding{ObjectMeta: metav1.ObjectMeta{Name: "shop-production", Namespace: w.namespace}}
	if err := w.client.Get(w.t.Context(), client.ObjectKeyFromObject(b), b); err != nil {
		b.Spec = v1alpha1.ReleaseBindingSpec{Project: "shop", Environment: "production", Release: version}
		w.create(b)
		return
	}
	before := b.DeepCopy()
	b.Spec.Release = version
	if err := w.client.Patch(w.t.Context(), b, client.MergeFrom(before)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) binding() *v1alpha1.ReleaseBinding {
	w.t.Helper()
	b := &v1alpha1.ReleaseBinding{}
	if err := w.client.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "shop-production"}, b); err != nil {
		w.t.Fatal(err)
	}
	return b
}

// readyWith waits for the binding's Ready condition with a reason, at its current generation.
func (w *world) readyWith(reason string) *v1alpha1.ReleaseBinding {
	w.t.Helper()
	var b *v1alpha1.ReleaseBinding
	w.eventually("the binding's reason is "+reason, func() (bool, string) {
		b = w.binding()
		c := meta.FindStatusCondition(b.Status.Conditions, v1alpha1.ConditionReady)
		if c == nil {
			return false, "no condition"
		}
		return c.Reason == reason && c.ObservedGeneration == b.Generation && b.Status.Release == string(b.Spec.Release), c.Reason + ": " + c.Message
	})
	return b
}

func (w *world) runs() []v1alpha1.DeploymentRun {
	w.t.Helper()
	var runs v1alpha1.DeploymentRunList
	if err := w.client.List(w.t.Context(), &runs, client.InNamespace(w.namespace)); err != nil {
		w.t.Fatal(err)
	}
	return runs.Items
}
