package controllers_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// script is a plain step.
func script(name v1alpha1.StepName, change ...func(*v1alpha1.Step)) v1alpha1.Step {
	s := v1alpha1.Step{Name: name, StepModifiers: v1alpha1.StepModifiers{Run: &v1alpha1.RunStep{Shell: v1alpha1.ShellBash, Script: "true"}}}
	for _, c := range change {
		c(&s)
	}
	return s
}

func steps(all ...v1alpha1.Step) func(*v1alpha1.Project) {
	return func(p *v1alpha1.Project) { p.Spec.Steps = all }
}

func when(c v1alpha1.StepCondition) func(*v1alpha1.Step) {
	return func(s *v1alpha1.Step) { s.Condition = c }
}

func env(name, value string) func(*v1alpha1.Step) {
	return func(s *v1alpha1.Step) { s.Run.Env = append(s.Run.Env, v1alpha1.EnvVar{Name: name, Value: value}) }
}

func outputs(names ...v1alpha1.OutputName) func(*v1alpha1.Step) {
	return func(s *v1alpha1.Step) { s.Outputs = names }
}

func roles(all ...v1alpha1.Role) func(*v1alpha1.Step) {
	return func(s *v1alpha1.Step) { s.Roles = all }
}

func TestAnOutputIsReadByALaterStep(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	db := w.target("db-1", func(t *v1alpha1.DeploymentTarget) { t.Spec.Roles = []v1alpha1.Role{"db"} })
	a, b := w.target("web-1"), w.target("web-2")
	w.project(steps(
		script("migrate", roles("db"), outputs("schema")),
		script("build", roles("web"), outputs("path")),
		script("install", roles("web"), env("OWN", "$(steps.build.outputs.path)"), env("OTHER", `$(steps.build.outputs["web-2"].path)`),
			env("SCHEMA", `$(steps.migrate.outputs["db-1"].schema)`), env("LITERAL", "$$(steps.build)"), env("WHERE", "$(target.name) $(release.version)")),
	))
	w.release("1.0.0")
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)
	w.expectDid(db, "1.0.0 migrate")
	for _, m := range []*fakeMachine{a, b} {
		w.expectDid(m, "1.0.0 build", "1.0.0 install")
		want := map[string]string{"OWN": "path of " + m.name, "OTHER": "path of web-2", "SCHEMA": "schema of db-1",
			"LITERAL": "$(steps.build)", "WHERE": m.name + " 1.0.0"}
		for name, value := range want {
			if got := envOf(m.plan(1), name); got != value {
				t.Errorf("%s of %s is %q, wanted %q", name, m.name, got, value)
			}
		}
	}
}

func envOf(p step.Plan, name string) string {
	if p.Run == nil {
		return ""
	}
	for _, e := range p.Run.Env {
		if e.Name == name {
			return e.Value.Text
		}
	}
	return ""
}

func TestStepsForFailureRunAfterOneAndOthersDoNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.target("web-1"), w.target("web-2")
	w.project(steps(
		script("install"),
		script("check", when(v1alpha1.ConditionSuccess)),
		script("page-someone", when(v1alpha1.ConditionFailure)),
		script("tidy", when(v1alpha1.ConditionAlways)),
	))
	w.release("1.0.0")
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)
	for _, m := range []*fakeMachine{a, b} {
		w.expectDid(m, "1.0.0 install", "1.0.0 check", "1.0.0 tidy")
	}
	a.fails("install", 9)
	w.release("1.1.0")
	w.wish("1.1.0")
	w.readyWith(v1alpha1.ReasonRunFailed)
	for _, m := range []*fakeMachine{a, b} {
		w.expectDid(m, "1.0.0 install", "1.0.0 check", "1.0.0 tidy", "1.1.0 install", "1.1.0 page-someone", "1.1.0 tidy")
	}
}

func TestAChildForFailureUndoesWhatTheRollingStepBegan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.target("web-1"), w.target("web-2")
	child := func(name v1alpha1.StepName, condition v1alpha1.StepCondition) v1alpha1.ChildStep {
		return v1alpha1.ChildStep{Name: name, StepModifiers: script(name, when(condition)).StepModifiers}
	}
	w.project(steps(v1alpha1.Step{Name: "web", Steps: []v1alpha1.ChildStep{
		child("drain", ""), child("install", ""), child("smoke", ""), child("roll-back", v1alpha1.ConditionFailure), child("undrain", v1alpha1.ConditionAlways)}}))
	a.fails("web/install", 1)
	w.release("1.0.0")
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonRunFailed)
	w.expectDid(a, "1.0.0 web/drain", "1.0.0 web/install", "1.0.0 web/roll-back", "1.0.0 web/undrain")
	w.expectDid(b)
}

const (
	password    = "correct-horse-battery-staple-7c1"
	databaseURL = "postgres://shop:" + password + "@db"
)

// tells whether a text holds the password, plain or as Kubernetes and our files encode it.
func tells(text []byte) bool {
	return slices.ContainsFunc([]string{password, encode(password), encode(databaseURL)}, func(form string) bool { return bytes.Contains(text, []byte(form)) })
}

func encode(text string) string {
	return strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(text)), "=")
}

func (w *world) secret() {
	w.t.Helper()
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "shop-db"}, StringData: map[string]string{"password": password}})
}

// confidential is a process with a sensitive variable, and one that is made of it.
func confidential() func(*v1alpha1.Project) {
	url := "postgres://shop:$(db.password)@db"
	plain := "plain value"
	return func(p *v1alpha1.Project) {
		p.Spec.Variables = []v1alpha1.Variable{
			{Name: "db.password", Values: []v1alpha1.VariableValue{{ValueFrom: &v1alpha1.ValueSource{SecretKeyRef: &v1alpha1.KeySelector{Name: "shop-db", Key: "password"}}}}},
			{Name: "db.url", Values: []v1alpha1.VariableValue{{Value: &url}}},
			{Name: "color", Values: []v1alpha1.VariableValue{{Value: &plain}}},
		}
		p.Spec.Steps = []v1alpha1.Step{script("migrate", env("DB_URL", "$(db.url)"), env("COLOR", "$(color)"))}
	}
}

func TestASecretThatIsMissingAtItsTurnFailsAndIsReadAgainOnRetry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.target("web-1")
	w.secret()
	w.project(confidential())
	w.release("1.0.0")
	w.reasonOf(&v1alpha1.Release{}, "shop-1.0.0", v1alpha1.ConditionReady, v1alpha1.ReasonResolved)
	if err := w.client.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "shop-db"}}); err != nil {
		t.Fatal(err)
	}
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonRunFailed)
	failed := w.run("the run failed", ended("1.0.0", v1alpha1.RunFailed))
	if f := failed.Status.Failures; len(f) != 1 || f[0].Reason != v1alpha1.ReasonVariableMissing || !strings.Contains(f[0].Message, "shop-db") {
		t.Errorf("its failures do not name the Secret: %+v", f)
	}
	w.expectDid(m)
	w.secret()
	w.retry("it is back")
	w.readyWith(v1alpha1.ReasonUpToDate)
	w.expectDid(m, "1.0.0 migrate")
}

func TestASecretIsInNoObjectAndReachesTheMachineInItsOwnFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.target("web-1")
	m.fails("migrate", 4) // a failure has the most to tell
	w.secret()
	w.project(confidential())
	w.release("1.0.0")
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonRunFailed)
	for name, content := range m.sent(0) {
		if name != step.SecretsFile && tells(content) {
			t.Errorf("file %s holds the secret", name)
		}
	}
	if secrets, err := step.DecodeSecrets(bytes.NewReader(m.sent(0)[step.SecretsFile])); err != nil || !slices.Contains(secrets, databaseURL) {
		t.Errorf("the machine got %d secrets, and not the one that the step uses (%v)", len(secrets), err)
	}
	if got := envOf(m.plan(0), "COLOR"); got != "plain value" {
		t.Errorf("COLOR is %q", got)
	}
	seen := 0
	for _, kind := range w.kinds() {
		objects := &unstructured.UnstructuredList{}
		objects.SetGroupVersionKind(kind)
		if err := w.client.List(t.Context(), objects, client.InNamespace(w.namespace)); err != nil {
			t.Fatalf("listing %s: %v", kind.Kind, err)
		}
		for _, o := range objects.Items {
			seen++
			text, err := json.Marshal(o.Object)
			if err != nil {
				t.Fatal(err)
			}
			if tells(text) {
				t.Errorf("%s %s holds the secret: %s", kind.Kind, o.GetName(), text)
			}
		}
	}
	if seen < 8 {
		t.Errorf("only %d objects were looked at", seen)
	}
	if n := w.logged(password) + w.logged(encode(password)) + w.logged(encode(databaseURL)); n != 0 {
		t.Errorf("the operator's files hold the secret %d times", n)
	}
}

// kinds are all that may be in a namespace and is no Secret.
func (w *world) kinds() []schema.GroupVersionKind {
	w.t.Helper()
	var kinds []schema.GroupVersionKind
	for kind := range w.client.Scheme().KnownTypes(v1alpha1.GroupVersion) {
		if _, ours := w.client.Scheme().KnownTypes(v1alpha1.GroupVersion)[kind+"List"]; ours {
			kinds = append(kinds, v1alpha1.GroupVersion.WithKind(kind+"List"))
		}
	}
	slices.SortFunc(kinds, func(a, b schema.GroupVersionKind) int { return strings.Compare(a.Kind, b.Kind) })
	return append(kinds, schema.GroupVersionKind{Version: "v1", Kind: "ConfigMapList"}, schema.GroupVersionKind{Version: "v1", Kind: "EventList"},
		schema.GroupVersionKind{Group: "events.k8s.io", Version: "v1", Kind: "EventList"}, schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "ControllerRevisionList"})
}

// sent are the files that travelled with the nth step that ran.
func (m *fakeMachine) sent(n int) map[string][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.files[n]
}
