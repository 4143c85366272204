package scope

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

func read(t testing.TB, text string) v1alpha1.ProjectSpec {
	t.Helper()
	var spec v1alpha1.ProjectSpec
	if err := yaml.UnmarshalStrict([]byte(text), &spec); err != nil {
		t.Fatal(err)
	}
	return spec
}

const good = `
packages:
- {name: web, url: "https://packages.example.com/web/{version}/web.tar.gz"}
variables:
- name: db.host
  values:
  - {value: localhost}
  - {value: 10.0.0.1, scope: {environments: [production]}}
  - {value: 10.0.0.2, scope: {environments: [production], roles: [web]}}
  - {value: 10.0.0.3, scope: {environments: [production], roles: [db]}}
  - {value: 10.0.0.4, scope: {targets: [web-1]}}
- name: db.password
  values:
  - valueFrom: {secretKeyRef: {name: shop-db, key: password}}
- name: motd
  values:
  - valueFrom: {configMapKeyRef: {name: shop, key: motd}}
- name: dsn
  values:
  - {value: "$(DB.HOST)/$(release.version)?$(db.password)"}
- name: schema
  values:
  - {value: "$(steps.migrate.outputs.version)"}
steps:
- name: migrate
  outputs: [version]
  run: {shell: Bash, script: "echo version=$(date) >> $MANTLE_OUTPUT", env: [{name: DSN, value: $(dsn)}]}
- name: web
  roles: [web]
  steps:
  - {name: install, deploy: {package: web}}
  - name: smoke
    run:
      shell: Bash
      script: ./smoke
      env:
      - {name: DIR, value: $(steps.install.outputs.package.directory)}
      - {name: SCHEMA, value: "$(schema) $$(not.a.variable)"}
- name: tell
  run: {shell: Bash, script: ./tell, env: [{name: DIR, value: '$(steps.install.outputs["web-1"].package.version)'}]}
`

func TestGoodProjectHasNoProblems(t *testing.T) {
	if problems := Validate(read(t, good)); len(problems) > 0 {
		t.Error(problems)
	}
}

func TestUserAndFolderMayBeNamesOrTakeInVariables(t *testing.T) {
	const spec = `
packages: [{name: web, url: "https://h/web/{version}.zip"}]
variables: [{name: account, values: [{value: app}]}]
steps:
- {name: install, deploy: {package: web}}
- {name: a, run: {shell: Bash, script: x, user: $(account), workingDir: $(steps.install.outputs.package.directory)/bin}}
- {name: b, run: {shell: PowerShell, script: x, user: 'CORP\app', workingDir: 'C:\app'}}`
	if problems := Validate(read(t, spec)); len(problems) > 0 {
		t.Error(problems)
	}
}

func TestProblems(t *testing.T) {
	const step = "steps: [{name: a, run: {shell: Bash, script: x}}]\n"
	for name, tc := range map[string]struct {
		spec string
		want []string // path: beginning or part of the message
	}{
		"names that differ only in case": {
			`variables: [{name: Db.Host, values: [{value: a}]}, {name: db.host, values: [{value: b}]}]` + "\n" + step,
			[]string{"spec.variables[1].name: db.host differs from Db.Host (spec.variables[0]) only in case"},
		},
		"a name of the system": {
			`variables: [{name: Release.Version, values: [{value: a}]}]` + "\n" + step,
			[]string{"spec.variables[0].name: Release.Version is a reserved name"},
		},
		"two values without a scope": {
			`variables: [{name: x, values: [{value: a}, {value: b}]}]` + "\n" + step,
			[]string{"spec.variables[0].values[1]: is as specific as values[0]"},
		},
		"scopes that meet": {
			`variables: [{name: x, values: [{value: a, scope: {environments: [dev, test], roles: [web]}}, {value: b, scope: {environments: [test], roles: [db, web]}}]}]` + "\n" + step,
			[]string{"spec.variables[0].values[1]: is as specific as values[0]"},
		},
		"an unknown name, and what was perhaps meant": {
			`
variables: [{name: db.host, values: [{value: a}]}]
steps:
- {name: a, run: {shell: Bash, script: x, env: [{name: A, value: "$(dbhost)"}, {name: B, value: "$(nobody)"}]}}`,
			[]string{
				"spec.steps[0].run.env[0].value: there is no variable dbhost: define it in spec.variables, or write $$(dbhost) for the literal text (did you mean db.host?)",
				"spec.steps[0].run.env[1].value: there is no variable nobody",
			},
		},
		"an unknown name in a variable is told once": {
			`
variables: [{name: a.b, values: [{value: $(nobody)}]}]
steps:
- {name: a, run: {shell: Bash, script: x, env: [{name: A, value: "$(a.b)"}]}}`,
			[]string{"spec.variables[0].values[0].value: there is no variable nobody"},
		},
		"a command in a value": {
			`steps: [{name: a, run: {shell: Bash, script: x, env: [{name: A, value: "$(date +%s)"}]}}]`,
			[]string{"spec.steps[0].run.env[0].value: $(date +%s) does not name a variable; to write it as text, double the dollar: $$("},
		},
		"a user and a folder that are none": {
			`
variables: [{name: dir, values: [{value: /srv}]}]
steps:
- {name: a, run: {shell: Bash, script: x, user: "-u", workingDir: /srv/../etc}}
- {name: b, steps: [{name: c, run: {shell: Bash, script: x, user: $(usr), workingDir: "$(dir)/app"}}]}`,
			[]string{
				`spec.steps[0].run.user: "-u" is no name of an account`,
				`spec.steps[0].run.workingDir: "/srv/../etc" has a part ".."; write the path without it`,
				"spec.steps[1].steps[0].run.user: there is no variable usr",
			},
		},
		"a user and a folder that would show a secret": {
			`
variables:
- {name: account, values: [{valueFrom: {secretKeyRef: {name: s, key: k}}}]}
- {name: dir, values: [{value: "/srv/$(account)"}]}
steps:
- {name: a, run: {shell: Bash, script: x, user: $(Account), workingDir: $(dir)}}`,
			[]string{
				"spec.steps[0].run.user: the variable account has a value from a Secret, and users of the machine can see this field: use another variable",
				"spec.steps[0].run.workingDir: the variable account has a value from a Secret",
			},
		},
		"a folder from an output of a later step": {
			`
steps:
- {name: a, run: {shell: Bash, script: x, workingDir: $(steps.b.outputs.dir)}}
- {name: b, outputs: [dir], run: {shell: Bash, script: x}}`,
			[]string{"spec.steps[0].run.workingDir: $(steps.b.outputs.dir): step b comes after this one"},
		},
		"variables in a circle": {
			`variables: [{name: a, values: [{value: $(b)}]}, {name: b, values: [{value: $(A)}]}]` + "\n" + step,
			[]string{"spec.variables[0]: variables refer to each other in a circle: a → b → a"},
		},
		"one name for two children": {
			`
steps:
- {name: a, steps: [{name: x, run: {shell: Bash, script: x}}]}
- {name: b, steps: [{name: x, run: {shell: Bash, script: x}}, {name: a, run: {shell: Bash, script: x}}]}`,
			[]string{
				"spec.steps[1].steps[0].name: the name x is used by spec.steps[0].steps[0]",
				"spec.steps[1].steps[1].name: the name a is used by spec.steps[0]",
			},
		},
		"a package that is not there": {
			`
packages: [{name: web, url: "https://h/web/{version}.zip"}]
steps: [{name: a, deploy: {package: wbe}}]`,
			[]string{"spec.steps[0].deploy.package: there is no package wbe in spec.packages: add it, or name one of web"},
		},
		"urls": {
			`
packages:
- {name: a, url: "https://h/{Version}.zip"}
- {name: b, url: "https://user:pw@h/b.zip"}
- {name: c, url: "https:///c.zip"}
- {name: nul, url: "https://h/b.zip"}
` + step,
			[]string{
				"spec.packages[0].url: {version} is the only placeholder",
				"spec.packages[1].url: contains a user or a password",
				"spec.packages[2].url: has no host: write for example https://",
				"spec.packages[3].name: is not a valid folder name on every machine",
			},
		},
		"outputs": {
			`
steps:
- {name: a, outputs: [v, V], run: {shell: Bash, script: x, env: [{name: A, value: $(steps.b.outputs.v)}, {name: B, value: $(steps.a.outputs.v)}]}}
- {name: b, outputs: [v], run: {shell: Bash, script: x, env: [{name: A, value: $(steps.a.outputs.w)}, {name: B, value: $(steps.nobody.outputs.w)}, {name: C, value: $(steps.r.outputs.w)}]}}
- {name: r, steps: [{name: c, run: {shell: Bash, script: x}}]}`,
			[]string{
				"spec.steps[0].outputs[1]: V differs from v only in case",
				"spec.steps[0].run.env[0].value: $(steps.b.outputs.v): step b comes after this one",
				"spec.steps[0].run.env[1].value: $(steps.a.outputs.v): a step cannot refer to its own output",
				"spec.steps[1].run.env[0].value: $(steps.a.outputs.w): step a does not declare the output w: add it to spec.steps[0].outputs",
				"spec.steps[1].run.env[1].value: $(steps.nobody.outputs.w): there is no such step with outputs",
				"spec.steps[1].run.env[2].value: $(steps.r.outputs.w): there is no such step with outputs: it is a rolling step: name one of its children",
			},
		},
		"an ambiguous output, also through a variable": {
			`
variables: [{name: schema, values: [{value: $(steps.migrate.outputs.v)}]}]
steps:
- {name: migrate, roles: [db], outputs: [v], run: {shell: Bash, script: x}}
- {name: web, roles: [web], run: {shell: Bash, script: x, env: [{name: A, value: $(steps.migrate.outputs.v)}, {name: B, value: $(schema)}]}}
- {name: db, roles: [db], run: {shell: Bash, script: x, env: [{name: A, value: $(schema)}]}}`,
			[]string{
				`spec.steps[1].run.env[0].value: $(steps.migrate.outputs.v) is ambiguous: step migrate does not run on every target that this step addresses: name the target, for example $(steps.migrate.outputs["<target>"].v)`,
				"spec.steps[1].run.env[1].value: $(steps.migrate.outputs.v) (through the variable schema) is ambiguous",
			},
		},
		"the engine's own variables": {
			`steps: [{name: a, run: {shell: Bash, script: x, env: [{name: Mantle_home, value: x}]}}]`,
			[]string{"spec.steps[0].run.env[0].name: names that begin with MANTLE_ are reserved"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for i, p := range Validate(read(t, tc.spec)) {
				line := p.Path + ": " + p.Message
				if i < len(tc.want) && strings.HasPrefix(line, tc.want[i]) {
					line = tc.want[i]
				}
				got = append(got, line)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestProcessIsBounded(t *testing.T) {
	var spec v1alpha1.ProjectSpec
	for i := range 5 {
		s := v1alpha1.Step{Name: v1alpha1.StepName(fmt.Sprintf("s%d", i))}
		for j := range 16 {
			run := &v1alpha1.RunStep{Shell: v1alpha1.ShellBash, Script: "x", Env: []v1alpha1.EnvVar{{Name: "A", Value: "$(nobody)"}}}
			s.Steps = append(s.Steps, v1alpha1.ChildStep{Name: v1alpha1.StepName(fmt.Sprintf("c%d-%d", i, j)), StepModifiers: v1alpha1.StepModifiers{Run: run}})
		}
		spec.Steps = append(spec.Steps, s)
	}
	problems := Validate(spec)
	if len(problems) != 32 || problems[31].Message != "50 more problems are not shown" {
		t.Errorf("%d problems, the last is %+v", len(problems), problems[len(problems)-1])
	}
	if want := "the process has 80 scripts and packages"; !strings.HasPrefix(problems[0].Message, want) {
		t.Errorf("the first problem is %+v, want %s", problems[0], want)
	}
}

func TestSourcesAreBounded(t *testing.T) {
	spec := read(t, good)
	for i := range 200 {
		from := &v1alpha1.ValueSource{SecretKeyRef: &v1alpha1.KeySelector{Name: fmt.Sprintf("s%d", i), Key: "k"}}
		spec.Variables = append(spec.Variables, v1alpha1.Variable{Name: fmt.Sprintf("v%d", i), Values: []v1alpha1.VariableValue{{ValueFrom: from}}})
	}
	want := []v1alpha1.Problem{{Path: "spec.variables", Message: "refer to 202 different Secrets and ConfigMaps, at most 128 are allowed: put several keys into one"}}
	if diff := cmp.Diff(want, Validate(spec)); diff != "" {
		t.Error(diff)
	}
}
