package project

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/scope"
	"github.com/mantledeploy/mantle/hack/kubetest"
)

func TestMain(m *testing.M) { kubetest.Main(m) }

// bench is one project on a real API server, with a clock of its own.
type bench struct {
	*testing.T
	client.Client
	r       *Reconciler
	now     time.Time
	project *v1alpha1.Project
}

func newBench(t *testing.T, variables ...v1alpha1.Variable) *bench {
	cluster := kubetest.Start(t)
	b := &bench{T: t, Client: cluster.Client(t), now: time.Now()}
	b.r = &Reconciler{Client: b.Client, Reader: b.Client, Recorder: events.NewFakeRecorder(100), Now: func() time.Time { return b.now }}
	run := &v1alpha1.RunStep{Shell: v1alpha1.ShellBash, Script: "true"}
	b.project = &v1alpha1.Project{
		ObjectMeta: metav1.ObjectMeta{Namespace: cluster.Namespace(t), Name: "shop"},
		Spec:       v1alpha1.ProjectSpec{Variables: variables, Steps: []v1alpha1.Step{{Name: "a", StepModifiers: v1alpha1.StepModifiers{Run: run}}}},
	}
	if err := b.Create(t.Context(), b.project); err != nil {
		t.Fatal(err)
	}
	return b
}

// pass runs one pass and reads what it wrote.
func (b *bench) pass() time.Duration {
	b.Helper()
	again, err := b.r.Reconcile(b.Context(), b.project)
	if err != nil {
		b.Fatal(err)
	}
	if err := b.Get(b.Context(), client.ObjectKeyFromObject(b.project), b.project); err != nil {
		b.Fatal(err)
	}
	return again.RequeueAfter
}

// want compares the conditions with "Type=Status/Reason" in any order, and the message of Ready.
func (b *bench) want(message string, conditions ...string) {
	b.Helper()
	s := b.project.Status
	if s.ObservedGeneration != b.project.Generation {
		b.Errorf("observedGeneration is %d, want %d", s.ObservedGeneration, b.project.Generation)
	}
	for _, want := range conditions {
		kind, rest, _ := strings.Cut(want, "=")
		c := meta.FindStatusCondition(s.Conditions, kind)
		if c == nil || string(c.Status)+"/"+c.Reason != rest || c.ObservedGeneration != b.project.Generation {
			b.Errorf("want %s, have %+v", want, c)
		}
	}
	if len(s.Conditions) != len(conditions) {
		b.Errorf("want %d conditions, have %+v", len(conditions), s.Conditions)
	}
	if c := meta.FindStatusCondition(s.Conditions, "Ready"); c == nil || !strings.Contains(c.Message, message) {
		b.Errorf("the message of Ready lacks %q: %+v", message, c)
	}
}

func text(name, value string) v1alpha1.Variable {
	return v1alpha1.Variable{Name: name, Values: []v1alpha1.VariableValue{{Value: &value}}}
}

func secret(name, object, key string) v1alpha1.Variable {
	from := &v1alpha1.ValueSource{SecretKeyRef: &v1alpha1.KeySelector{Name: object, Key: key}}
	return v1alpha1.Variable{Name: name, Values: []v1alpha1.VariableValue{{ValueFrom: from}}}
}

func TestValidProjectIsReadyAndPublishesItsDigest(t *testing.T) {
	b := newBench(t, text("x", "y"))
	if again := b.pass(); again != 0 {
		t.Errorf("nothing is missing, but it looks again after %s", again)
	}
	b.want("1 script or package", "Ready=True/Valid")
	if got := b.project.Status.ProcessDigest; got == "" || got != scope.Digest(b.project.Spec) {
		t.Errorf("processDigest is %q", got)
	}
	version := b.project.ResourceVersion
	if b.pass(); b.project.ResourceVersion != version {
		t.Error("a second pass wrote though nothing changed")
	}
}

func TestWrongSpecIsStalledUntilItIsMended(t *testing.T) {
	b := newBench(t, text("x", "$(nobody)"))
	if again := b.pass(); again != 0 {
		t.Errorf("only a change of the spec helps, but it looks again after %s", again)
	}
	b.want("spec.variables[0].values[0].value: there is no variable nobody", "Ready=False/Invalid", "Stalled=True/Invalid")
	if s := b.project.Status; len(s.Problems) != 1 || s.ProcessDigest != "" {
		t.Errorf("problems %+v, digest %q; want one and none", s.Problems, s.ProcessDigest)
	}
	b.project.Spec.Variables = []v1alpha1.Variable{text("x", "$$(nobody)")}
	if err := b.Update(t.Context(), b.project); err != nil {
		t.Fatal(err)
	}
	b.pass()
	b.want("the process is valid", "Ready=True/Valid")
	if len(b.project.Status.Problems) != 0 {
		t.Errorf("problems are left: %+v", b.project.Status.Problems)
	}
}

// Somebody changes a project and changes it back before anybody has judged the change, and the cache lags behind what a
// pass wrote. The digest must be the spec's in the end.
func TestTheDigestIsOfTheLastOfTwoEdits(t *testing.T) {
	b := newBench(t, text("greeting", "hello"))
	b.pass()
	var seen []*v1alpha1.Project
	for _, greeting := range []string{"good day", "hello"} {
		b.project.Spec.Variables = []v1alpha1.Variable{text("greeting", greeting)}
		if err := b.Update(t.Context(), b.project); err != nil {
			t.Fatal(err)
		}
		seen = append(seen, b.project.DeepCopy())
	}
	for _, project := range seen {
		again, err := b.r.Reconcile(t.Context(), project)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Get(t.Context(), client.ObjectKeyFromObject(b.project), b.project); err != nil {
			t.Fatal(err)
		}
		if again.RequeueAfter > 0 {
			b.pass()
		}
	}
	b.want("the process is valid", "Ready=True/Valid")
	if got, want := b.project.Status.ProcessDigest, scope.Digest(b.project.Spec); got != want {
		t.Errorf("the digest is %s, and the spec's %s", got, want)
	}
}

func TestMissingSecretIsWaitedForThenStalledThenRecovers(t *testing.T) {
	b := newBench(t, secret("db.password", "shop-db", "password"))
	if again := b.pass(); again <= 0 || again > 10*time.Second {
		t.Errorf("it looks again after %s", again)
	}
	const gone = "spec.variables[0].values[0].valueFrom.secretKeyRef: there is no Secret shop-db in this namespace; create it with the key password"
	b.want(gone, "Ready=False/SecretNotFound", "Reconciling=True/SecretNotFound")
	b.now = b.now.Add(50 * time.Second)
	b.pass()
	b.want(gone, "Ready=False/SecretNotFound", "Reconciling=True/SecretNotFound")
	b.now = b.now.Add(15 * time.Second)
	for range 2 { // and stays so
		if again := b.pass(); again <= 0 {
			t.Error("a stalled project must recover by itself, but nothing looks again")
		}
		b.want(gone, "Ready=False/SecretNotFound", "Stalled=True/SecretNotFound")
		b.now = b.now.Add(time.Second)
	}
	object := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.project.Namespace, Name: "shop-db"}, StringData: map[string]string{"pass": "geheim"},
	}
	if err := b.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	b.pass()
	b.want("Secret shop-db has no key password; add it", "Ready=False/SecretNotFound", "Stalled=True/SecretNotFound")
	object.StringData = map[string]string{"password": "geheim"}
	if err := b.Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	if again := b.pass(); again != 0 {
		t.Errorf("all is there, but it looks again after %s", again)
	}
	b.want("the process is valid", "Ready=True/Valid")
}

func TestNewSpecWaitsAnewForItsConfigMap(t *testing.T) {
	b := newBench(t, secret("db.password", "shop-db", "password"))
	b.pass()
	b.now = b.now.Add(2 * time.Minute)
	b.pass()
	b.want("shop-db", "Ready=False/SecretNotFound", "Stalled=True/SecretNotFound")
	from := &v1alpha1.ValueSource{ConfigMapKeyRef: &v1alpha1.KeySelector{Name: "shop", Key: "motd"}}
	b.project.Spec.Variables = []v1alpha1.Variable{{Name: "motd", Values: []v1alpha1.VariableValue{{ValueFrom: from}}}}
	if err := b.Update(t.Context(), b.project); err != nil {
		t.Fatal(err)
	}
	b.pass()
	b.want("there is no ConfigMap shop in this namespace", "Ready=False/ConfigMapNotFound", "Reconciling=True/ConfigMapNotFound")
	config := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.project.Namespace, Name: "shop"}, Data: map[string]string{"motd": "hello"},
	}
	if err := b.Create(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	b.pass()
	b.want("the process is valid", "Ready=True/Valid")
}
