package controllers_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// reach is one way in which a machine cannot be reached.
type reach struct {
	name   string
	reason string
	// remedy is a part of the message that says what to do.
	remedy string
	health v1alpha1.TargetHealth
	// broken changes the target before it is made, breaks the machine before that, and mends ends it.
	broken func(*v1alpha1.DeploymentTarget)
	breaks func(*testing.T, *fakeMachine)
	mends  func(*testing.T, *world, *fakeMachine)
}

func behaves(b tentacletest.Behaviour) func(*testing.T, *fakeMachine) {
	return func(_ *testing.T, m *fakeMachine) { m.Behave(b) }
}

func works(_ *testing.T, _ *world, m *fakeMachine) { m.Behave(tentacletest.Works) }

func at(address string) func(*v1alpha1.DeploymentTarget) {
	return func(t *v1alpha1.DeploymentTarget) { t.Spec.Address = address }
}

func addressed(_ *testing.T, w *world, m *fakeMachine) {
	edit(w, m.name, &v1alpha1.DeploymentTarget{}, at(m.Endpoint().Address))
}

func reaches() []reach {
	return []reach{
		{name: "name", reason: v1alpha1.ReasonNameNotResolved, remedy: "correct spec.address, or add the name to DNS", health: v1alpha1.HealthUnavailable,
			broken: at("nobody.invalid"), mends: addressed},
		{name: "route", reason: v1alpha1.ReasonNoRoute, remedy: "correct spec.address, or the routing", health: v1alpha1.HealthUnavailable,
			broken: at("255.255.255.255"), mends: addressed},
		{name: "refused", reason: v1alpha1.ReasonConnectionRefused, remedy: "start the Tentacle there (tentacle run, or", health: v1alpha1.HealthUnavailable,
			breaks: func(_ *testing.T, m *fakeMachine) { m.Stop() }, mends: func(_ *testing.T, _ *world, m *fakeMachine) { m.Listen() }},
		{name: "silent", reason: v1alpha1.ReasonTLSTimedOut, remedy: "check that a Tentacle listens there, not a proxy", health: v1alpha1.HealthUnavailable,
			breaks: behaves(tentacletest.SilentBeforeTLS), mends: works},
		{name: "plain", reason: v1alpha1.ReasonTLSFailed, remedy: "correct the port", health: v1alpha1.HealthUnavailable,
			breaks: behaves(tentacletest.NotTLS), mends: works},
		{name: "closing", reason: v1alpha1.ReasonTLSFailed, remedy: "correct the port", health: v1alpha1.HealthUnavailable,
			breaks: behaves(tentacletest.ClosesBeforeTLS), mends: works},
		{name: "unpinned", reason: v1alpha1.ReasonThumbprintMissing, remedy: "set spec.thumbprint to it", health: v1alpha1.HealthUntrusted,
			broken: func(t *v1alpha1.DeploymentTarget) { t.Spec.Thumbprint = "" },
			mends: func(t *testing.T, w *world, m *fakeMachine) {
				c := w.reasonOf(&v1alpha1.DeploymentTarget{}, m.name, v1alpha1.ConditionTrusted, v1alpha1.ReasonThumbprintMissing)
				pin := string(m.Endpoint().Thumbprint)
				if !strings.Contains(c.Message, pin) {
					t.Errorf("the message does not show the thumbprint %s: %s", pin, c.Message)
				}
				edit(w, m.name, &v1alpha1.DeploymentTarget{}, func(t *v1alpha1.DeploymentTarget) { t.Spec.Thumbprint = pin })
			}},
		{name: "imposter", reason: v1alpha1.ReasonThumbprintMismatch, remedy: "change spec.thumbprint if the machine was reinstalled", health: v1alpha1.HealthUntrusted,
			breaks: behaves(tentacletest.WrongCertificate), mends: works},
		{name: "web", reason: v1alpha1.ReasonThumbprintMismatch, remedy: "not the certificate in spec.thumbprint", health: v1alpha1.HealthUntrusted,
			breaks: behaves(tentacletest.OtherTLSServer), mends: works},
		{name: "untrusted", reason: v1alpha1.ReasonOperatorNotTrusted, remedy: "tentacle trust add sha256:", health: v1alpha1.HealthUntrusted,
			breaks: func(_ *testing.T, m *fakeMachine) { m.Trust() },
			mends:  func(_ *testing.T, w *world, m *fakeMachine) { m.Trust(w.operator()) }},
		{name: "hanging", reason: v1alpha1.ReasonNoAnswer, remedy: "restart the Tentacle there", health: v1alpha1.HealthUnavailable,
			breaks: behaves(tentacletest.SilentAfterTLS), mends: works},
		{name: "http", reason: v1alpha1.ReasonProtocolError, remedy: "does not speak Halibut; check that a Tentacle listens there", health: v1alpha1.HealthUnavailable,
			breaks: behaves(tentacletest.NotHalibut), mends: works},
	}
}

// Each wait is bounded by eventually's 30 s, which is what users are promised.
func TestEveryWayNotToReachAMachineIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.swiftly()
	w.operator()
	t.Run("ways", func(t *testing.T) {
		for _, c := range append(reaches(), systemReaches()...) {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				w.in(t).reach(c)
			})
		}
	})
}

// in is the same world for a subtest.
func (w *world) in(t *testing.T) *world {
	sub := *w
	sub.t = t
	return &sub
}

func (w *world) reach(c reach) {
	m := w.machine(c.name)
	if c.breaks != nil {
		c.breaks(w.t, m)
	}
	w.register(m, func(t *v1alpha1.DeploymentTarget) {
		t.Spec.Policy = "swift"
		if c.broken != nil {
			c.broken(t)
		}
	})
	target := &v1alpha1.DeploymentTarget{}
	told := w.reasonOf(target, c.name, v1alpha1.ConditionReady, c.reason)
	if !strings.Contains(told.Message, c.remedy) {
		w.t.Errorf("the message does not say %q: %s", c.remedy, told.Message)
	}
	if told.Status != metav1.ConditionFalse || target.Status.Health != c.health {
		w.t.Errorf("Ready is %s and health %s, wanted False and %s", told.Status, target.Status.Health, c.health)
	}
	c.mends(w.t, w, m)
	w.reasonOf(target, c.name, v1alpha1.ConditionReady, v1alpha1.ReasonHealthy)
	if target.Status.Health != v1alpha1.HealthHealthy {
		w.t.Errorf("it was mended and its health is %s", target.Status.Health)
	}
}

func TestALostIdentityIsToldAndFoundAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	swift := w.swiftly()
	w.target("web-1", swift)
	target := &v1alpha1.DeploymentTarget{}
	w.reasonOf(target, "web-1", v1alpha1.ConditionReady, v1alpha1.ReasonHealthy)

	var secret corev1.Secret
	if err := w.client.Get(t.Context(), client.ObjectKey{Namespace: operatorNamespace, Name: "mantle-identity-" + w.namespace}, &secret); err != nil {
		t.Fatal(err)
	}
	if err := w.client.Delete(t.Context(), &secret); err != nil {
		t.Fatal(err)
	}
	lost := w.reasonOf(target, "web-1", v1alpha1.ConditionReady, v1alpha1.ReasonIdentityLost)
	if !strings.Contains(lost.Message, "restore the Secret from a backup") || target.Status.Health != v1alpha1.HealthUntrusted {
		t.Errorf("health %s, message %q", target.Status.Health, lost.Message)
	}
	w.reasonOf(&v1alpha1.Environment{}, "production", v1alpha1.ConditionStalled, v1alpha1.ReasonIdentityLost)

	restored := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: secret.Namespace, Name: secret.Name, Annotations: secret.Annotations}, Type: secret.Type, Data: secret.Data}
	if err := w.client.Create(t.Context(), restored); err != nil {
		t.Fatal(err)
	}
	w.reasonOf(target, "web-1", v1alpha1.ConditionReady, v1alpha1.ReasonHealthy)
	w.reasonOf(&v1alpha1.Environment{}, "production", v1alpha1.ConditionReady, v1alpha1.ReasonCounted)
}

func TestAMachineRefusesTheOperatorOfAnotherNamespace(t *testing.T) {
	t.Parallel()
	mine, other := newWorld(t), newWorld(t)
	m := mine.target("web-1")
	mine.reasonOf(&v1alpha1.DeploymentTarget{}, "web-1", v1alpha1.ConditionReady, v1alpha1.ReasonHealthy)
	if mine.operator() == other.operator() {
		t.Fatal("both namespaces have the same identity")
	}

	other.register(m) // with the same address and pin
	other.project()
	other.release("6.6.6")
	other.wish("6.6.6")
	told := other.reasonOf(&v1alpha1.DeploymentTarget{}, "web-1", v1alpha1.ConditionReady, v1alpha1.ReasonOperatorNotTrusted)
	if !strings.Contains(told.Message, string(other.operator())) {
		t.Errorf("the message does not name who is not trusted: %s", told.Message)
	}
	other.readyWith(v1alpha1.ReasonNoTargetReachable)
	if runs := other.runs(); len(runs) != 0 {
		t.Errorf("a run was made: %s", describe(&runs[0]))
	}
	other.person("rogue", "6.6.6")
	other.run("a person's run fails", ended("6.6.6", v1alpha1.RunFailed))
	if m.Refused() == 0 {
		t.Error("the machine refused nobody")
	}
	for _, e := range m.Executions() {
		if strings.Contains(string(e.Files["plan.json"]), other.namespace) {
			t.Errorf("a script of namespace %s ran", other.namespace)
		}
	}
}

func TestPackagesAreNotFetchedFromWhereTheyMustNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, url := range map[string]string{
		"file":       "file:///etc/{version}.tar.gz",
		"link-local": "https://169.254.169.254/latest/{version}.tar.gz",
		"loopback":   "https://127.0.0.1:6443/{version}.tar.gz",
		"localhost":  "https://localhost:6443/{version}.tar.gz",
		"in-cluster": "https://db.shop.svc/{version}.tar.gz",
	} {
		w.create(&v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.ProjectSpec{
			Packages: []v1alpha1.ProjectPackage{{Name: "web", URL: url}},
			Steps:    []v1alpha1.Step{{Name: "install", StepModifiers: v1alpha1.StepModifiers{Deploy: &v1alpha1.DeployStep{Package: "web"}}}}}})
		w.create(&v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: name + "-1.0.0"}, Spec: v1alpha1.ReleaseSpec{
			Project: v1alpha1.ObjectName(name), Version: "1.0.0", Packages: []v1alpha1.ReleasePackage{{Name: "web", Version: "1.0.0"}}}})
	}
	for _, name := range []string{"file", "link-local", "loopback", "localhost", "in-cluster"} {
		stalled := w.reasonOf(&v1alpha1.Release{}, name+"-1.0.0", v1alpha1.ConditionStalled, v1alpha1.ReasonPackageRefused)
		t.Logf("%s: %s", name, stalled.Message)
	}
}
