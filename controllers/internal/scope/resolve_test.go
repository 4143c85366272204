package scope

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/api/variables"
)

func place(t testing.TB, environment, target string, roles ...v1alpha1.Role) Input {
	return Input{
		Variables: read(t, good).Variables, Environment: environment, Target: target, TargetRoles: roles,
		System: map[string]string{"release.version": "1.2.3", "environment.name": environment, "target.name": target},
		Lookup: func(ref v1alpha1.ValueSource) (string, error) {
			if ref.SecretKeyRef != nil {
				return "pass$(word)", nil
			}
			return "hello $(db.host)", nil
		},
	}
}

func TestMostSpecificValueWins(t *testing.T) {
	for _, tc := range []struct {
		environment, target string
		role                v1alpha1.Role
		want                string
	}{
		{"dev", "app-1", "app", "localhost"},
		{"production", "app-1", "app", "10.0.0.1"},
		{"production", "web-2", "web", "10.0.0.2"},
		{"dev", "web-2", "web", "localhost"},
		{"production", "db-1", "db", "10.0.0.3"},
		{"production", "web-1", "web", "10.0.0.4"},
	} {
		vars, err := Resolve(place(t, tc.environment, tc.target, tc.role))
		if err != nil {
			t.Fatal(err)
		}
		if got := vars["db.host"].Text; got != tc.want {
			t.Errorf("%s on %s: db.host is %s, want %s", tc.environment, tc.target, got, tc.want)
		}
	}
}

func TestResolve(t *testing.T) {
	in := place(t, "dev", "web-1", "web")
	got, err := Resolve(in)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Value{ // schema is left out: migrate has given nothing yet
		"db.host":     {Text: "10.0.0.4"},
		"db.password": {Text: "pass$(word)", Sensitive: true},
		"motd":        {Text: "hello $(db.host)"},
		"dsn":         {Text: "10.0.0.4/1.2.3?pass$(word)", Sensitive: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	in.Output = given(map[string]map[string]string{"web-1": {"migrate.version": "$(db.password)"}})
	if got, err = Resolve(in); err != nil || got["schema"] != (Value{Text: "$(db.password)"}) {
		t.Errorf("schema is %+v, %v; an output is taken as it is", got["schema"], err)
	}
}

func TestResolveSaysWhatIsMissing(t *testing.T) {
	gone := errors.New("secret shop-db was not found")
	in := place(t, "dev", "web-1", "web")
	in.Lookup = func(v1alpha1.ValueSource) (string, error) { return "", gone }
	if _, err := Resolve(in); !errors.Is(err, gone) || !strings.Contains(err.Error(), "db.password") {
		t.Errorf("want the lookup's error with the variable's name, have %v", err)
	}
	if _, err := Resolve(place(t, "production", "both-1", "web", "db")); !errors.Is(err, ErrTie) {
		t.Errorf("a target with both roles: want ErrTie, have %v", err)
	}
}

func TestExpand(t *testing.T) {
	in := place(t, "production", "web-2", "web")
	in.Output = given(map[string]map[string]string{
		"web-2": {"install.package.directory": "/opt/web"},
		"db-1":  {"migrate.version": "42"},
	})
	vars, err := Resolve(in)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]Value{
		"$(Db.Host) $(target.name)": {Text: "10.0.0.2 web-2"},
		"$(dsn)":                    {Text: "10.0.0.2/1.2.3?pass$(word)", Sensitive: true},
		"$(steps.install.outputs.package.directory)/bin":   {Text: "/opt/web/bin"},
		`$(steps.migrate.outputs["db-1"].Version) $$(dsn)`: {Text: "42 $(dsn)"},
	} {
		if got, err := Expand(in, vars, text); err != nil || got != want {
			t.Errorf("%s is %+v, %v; want %+v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"$(schema)": "in environment production on target web-2: $(steps.migrate.outputs.version) has no value: step migrate has set no output version on target web-2; if it tried to, its log says why it was kept back",
		"$(nobody)": "in environment production on target web-2: $(nobody) has no value: no variable of that name has a value here",
	} {
		_, err := Expand(in, vars, text)
		var unknown *variables.UnknownError
		if !errors.As(err, &unknown) || err.Error() != want {
			t.Errorf("%s: want the error %q, have %q", text, want, fmt.Sprint(err))
		}
	}
}

func TestReferences(t *testing.T) {
	want := []Reference{
		{Path: "spec.variables[1].values[0].valueFrom.secretKeyRef", Kind: "Secret", Name: "shop-db", Key: "password"},
		{Path: "spec.variables[2].values[0].valueFrom.configMapKeyRef", Kind: "ConfigMap", Name: "shop", Key: "motd"},
	}
	if diff := cmp.Diff(want, References(read(t, good))); diff != "" {
		t.Error(diff)
	}
}

func TestDigest(t *testing.T) {
	base := read(t, good)
	// A release names a process by this digest, so it may only change when the meaning of a spec does.
	const golden = "sha256:6bcfd4bda8a103ab7d9eea53391115632019b1c5c3a7584c899d0f9abbc4785d"
	if got := Digest(base); got != golden {
		t.Errorf("the digest is %s, want %s", got, golden)
	}
	for name, change := range map[string]func(*v1alpha1.ProjectSpec){
		"history":            func(s *v1alpha1.ProjectSpec) { s.History.Runs = 3 },
		"a written default":  func(s *v1alpha1.ProjectSpec) { s.Settings.NoTargets = "Fail"; s.Steps[0].Condition = "Success" },
		"order of variables": func(s *v1alpha1.ProjectSpec) { s.Variables[0], s.Variables[1] = s.Variables[1], s.Variables[0] },
	} {
		s := base.DeepCopy()
		change(s)
		if Digest(*s) != golden {
			t.Errorf("%s changes the digest", name)
		}
	}
	for name, change := range map[string]func(*v1alpha1.ProjectSpec){
		"a script":       func(s *v1alpha1.ProjectSpec) { s.Steps[0].Run.Script += " " },
		"order of steps": func(s *v1alpha1.ProjectSpec) { s.Steps[0], s.Steps[1] = s.Steps[1], s.Steps[0] },
		"a value":        func(s *v1alpha1.ProjectSpec) { *s.Variables[0].Values[0].Value = "y" },
		"a setting":      func(s *v1alpha1.ProjectSpec) { s.Settings.UnavailableTargets = "Fail" },
		"a condition":    func(s *v1alpha1.ProjectSpec) { s.Steps[1].Steps[1].Condition = "Always" },
	} {
		s := base.DeepCopy()
		change(s)
		if Digest(*s) == golden {
			t.Errorf("%s does not change the digest", name)
		}
	}
}

// FuzzValidate checks that no text makes validation or resolution fail in another way than by saying so, and that what
// was found valid resolves.
func FuzzValidate(f *testing.F) {
	f.Add("$(b)", "x$(a)", "$(steps.s.outputs.o)")
	f.Add("$(b)", "1", "$(a)$$(b)")
	f.Add("$(release.version)", "$(", "$(b")
	f.Fuzz(func(t *testing.T, a, b, env string) {
		spec := v1alpha1.ProjectSpec{
			Variables: []v1alpha1.Variable{{Name: "a", Values: []v1alpha1.VariableValue{{Value: &a}}}, {Name: "b", Values: []v1alpha1.VariableValue{{Value: &b}}}},
			Steps: []v1alpha1.Step{{Name: "s", StepModifiers: v1alpha1.StepModifiers{Outputs: []v1alpha1.OutputName{"o"},
				Run: &v1alpha1.RunStep{Script: "x", Env: []v1alpha1.EnvVar{{Name: "E", Value: env}}}}}},
		}
		problems := Validate(spec)
		in := Input{Variables: spec.Variables, Environment: "e", Target: "t", System: map[string]string{}}
		for _, name := range SystemNames() {
			in.System[name] = name
		}
		vars, err := Resolve(in)
		if err == nil {
			_, err = Expand(in, vars, env)
		}
		var unknown *variables.UnknownError
		output := errors.As(err, &unknown) && unknown.Reference.IsOutput()
		if len(problems) == 0 && err != nil && !output && !errors.Is(err, variables.ErrTooLarge) {
			t.Fatalf("valid, but: %v", err)
		}
	})
}

// given are the outputs of steps, by target and name.
func given(values map[string]map[string]string) func(target, name string) (string, bool) {
	return func(target, name string) (string, bool) {
		for other, value := range values[target] {
			if strings.EqualFold(other, name) {
				return value, true
			}
		}
		return "", false
	}
}
