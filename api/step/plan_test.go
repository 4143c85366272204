package step

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

const sum = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

func runPlan() Plan {
	return Plan{
		Version: Version, Ticket: "mabc", Nonce: "n0", Kind: KindRun, Namespace: "shop", Environment: "production",
		Project: "shop", Release: "1.4.2", Snapshot: "shop-1.4.2-abc", RunName: "run-1", RunUID: "u1", Step: "migrate",
		Target: "web-1", Final: true, TimeoutSeconds: 60,
		Run:       &Run{Shell: Bash, Script: "echo hi", Env: []EnvVar{{"A", Text("x")}, {"P", SecretRef(0)}}},
		Variables: map[string]Value{"db.host": Text("h"), "db.password": SecretRef(0)},
		Outputs:   []string{"schemaVersion"},
	}
}

func deployPlan() Plan {
	p := runPlan()
	p.Kind, p.Run = KindDeploy, nil
	p.Deploy = &Deploy{Package: "web", ID: "shop/web", Version: "1.4.2",
		Content: Content{SHA256: sum, Path: ContentPath(sum, FormatTarGz), Format: FormatTarGz, Size: 9}}
	return p
}

func TestPlanSurvivesJSON(t *testing.T) {
	for _, p := range []Plan{runPlan(), deployPlan(), {Version: Version, Ticket: "m", Nonce: "n", Kind: KindInventory},
		{Version: Version, Ticket: "m", Nonce: "n", Kind: KindHealth, Health: &Health{Bash: "true", PowerShell: "1"}}} {
		data, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodePlan(strings.NewReader(string(data)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, got); diff != "" {
			t.Errorf("%s plan changed on its way:\n%s", p.Kind, diff)
		}
	}
}

func TestPlanTakesNamesAndFoldersOfEverySystem(t *testing.T) {
	for user, dir := range map[string]string{
		"app": "/srv/app", "svc_web-1": "/", `CORP\app`: `C:\app`, "app@corp.example": `\\files\share`, "machine$": "C:/app", "r00t.x": "/a//b/...",
	} {
		p := runPlan()
		p.Run.User, p.Run.WorkingDir = user, dir
		if err := p.Validate(); err != nil {
			t.Error(err)
		}
	}
}

// A machine whose engine does not know a field must refuse it, and one that knows all fields must still take
// plans that were written before there were these.
func TestPlanWithoutUserIsWrittenAsBefore(t *testing.T) {
	data, err := json.Marshal(runPlan())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{`"user"`, "workingDir"} {
		if strings.Contains(string(data), name) {
			t.Errorf("a plan without it has %s: %s", name, data)
		}
	}
}

func TestDecodePlanRefuses(t *testing.T) {
	change := func(f func(*Plan)) string {
		p := deployPlan()
		f(&p)
		data, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	changeRun := func(f func(*Plan)) string {
		p := runPlan()
		f(&p)
		data, _ := json.Marshal(p)
		return string(data)
	}
	one := 1
	good := change(func(*Plan) {})
	for name, c := range map[string]struct{ plan, want string }{
		"unknown field":     {strings.Replace(good, `"kind"`, `"extra":1,"kind"`, 1), "extra"},
		"something after":   {good + "{}", "after"},
		"too large":         {good + strings.Repeat(" ", MaxPlanSize), "longer than"},
		"no kind":           {change(func(p *Plan) { p.Kind = "sing" }), "kind"},
		"two parts":         {change(func(p *Plan) { p.Run = &Run{Shell: Bash} }), "exactly when kind is run"},
		"part missing":      {change(func(p *Plan) { p.Deploy = nil }), "exactly when kind is deploy"},
		"traversal":         {change(func(p *Plan) { p.Environment = "../x" }), "environment"},
		"device":            {change(func(p *Plan) { p.Deploy.Package = "nul.x" }), "device"},
		"current":           {change(func(p *Plan) { p.Deploy.Version = "Current" }), "deploy.version"},
		"path elsewhere":    {change(func(p *Plan) { p.Deploy.Content.Path = "Files/x" }), "content.path"},
		"digest":            {change(func(p *Plan) { p.Deploy.Content.SHA256 = strings.ToUpper(sum) }), "sha256"},
		"format":            {change(func(p *Plan) { p.Deploy.Content.Format = "rar" }), "format"},
		"both value forms":  {change(func(p *Plan) { p.Variables["x"] = Value{Text: "a", Secret: &one} }), "both"},
		"own env":           {changeRun(func(p *Plan) { p.Run.Env[0].Name = "mantle_home" }), "engine's own"},
		"env name":          {changeRun(func(p *Plan) { p.Run.Env[0].Name = "1A" }), "run.env[0]"},
		"shell":             {changeRun(func(p *Plan) { p.Run.Shell = "Zsh" }), "Zsh"},
		"no run UID":        {changeRun(func(p *Plan) { p.RunUID = "" }), "runUID"},
		"ticket":            {changeRun(func(p *Plan) { p.Ticket = "a/b" }), "ticket"},
		"timeout":           {changeRun(func(p *Plan) { p.TimeoutSeconds = -1 }), "timeoutSeconds"},
		"user -":            {changeRun(func(p *Plan) { p.Run.User = "-u" }), `run.user: "-u" is no name`},
		"user number":       {changeRun(func(p *Plan) { p.Run.User = "0" }), `run.user: "0" is a number; write the account's name`},
		"user of a shell":   {changeRun(func(p *Plan) { p.Run.User = "a;b" }), "run.user"},
		"user too long":     {changeRun(func(p *Plan) { p.Run.User = strings.Repeat("a", 129) }), "run.user: longer than 128 bytes"},
		"relative folder":   {changeRun(func(p *Plan) { p.Run.WorkingDir = "srv/app" }), `run.workingDir: "srv/app" is not absolute; begin with /`},
		"folder with ..":    {changeRun(func(p *Plan) { p.Run.WorkingDir = "/srv/../etc" }), `run.workingDir: "/srv/../etc" has a part ".."`},
		"folder with ..\\":  {changeRun(func(p *Plan) { p.Run.WorkingDir = `C:\srv\..\etc` }), `has a part ".."`},
		"folder of lines":   {changeRun(func(p *Plan) { p.Run.WorkingDir = "/a\nb" }), "control character"},
		"name of an output": {changeRun(func(p *Plan) { p.Outputs = []string{"a=b"} }), "outputs[0]"},
	} {
		_, err := DecodePlan(strings.NewReader(c.plan))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: the error is %v; it should name %q", name, err, c.want)
		}
	}
	newer := strings.Replace(good, `"version":1`, `"version":2,"unheardOf":true`, 1)
	if _, err := DecodePlan(strings.NewReader(newer)); !errors.Is(err, ErrVersion) {
		t.Errorf("a newer plan gives %v, not ErrVersion", err)
	}
}

func TestSecretsKeepAnyBytes(t *testing.T) {
	want := []string{"p\xff\x00w", "", "two\nlines"}
	data, err := EncodeSecrets(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeSecrets(strings.NewReader(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := DecodeSecrets(strings.NewReader(`{"version":1,"values":["cGFzc3dvcmQ="],"x":"password"}`)); err == nil ||
		strings.Contains(err.Error(), "password") {
		t.Errorf("a file with unknown fields gives %v", err)
	}
	if _, err := EncodeSecrets([]string{strings.Repeat("x", MaxValueSize+1)}); err == nil {
		t.Error("a secret over the bound is taken")
	}
}

func TestCommandCallsTheEngine(t *testing.T) {
	plan := deployPlan()
	plan.Version, plan.Nonce = 0, ""
	cmd, err := Command(plan, []string{"hunter2"})
	if err != nil {
		t.Fatal(err)
	}
	if cmd.ScriptTicket.TaskID != "mabc" || cmd.ScriptBody != CommandPowerShell || cmd.Scripts["Bash"] != CommandBash ||
		cmd.Isolation != tentacle.FullIsolation || *cmd.IsolationMutexName != "RunningScript" ||
		cmd.ScriptIsolationMutexTimeout != halibut.TimeSpan(plan.Timeout()) || cmd.Arguments == nil {
		t.Errorf("the command is %+v", cmd)
	}
	read := func(i int, name string) string {
		t.Helper()
		if cmd.Files[i].Name != name {
			t.Fatalf("file %d is %q", i, cmd.Files[i].Name)
		}
		r, err := cmd.Files[i].Contents.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		data, err := readBounded(r, MaxPlanSize)
		if err != nil || int64(len(data)) != cmd.Files[i].Contents.Len() {
			t.Fatalf("reading %s: %v, %d bytes", name, err, len(data))
		}
		return string(data)
	}
	sent := read(0, "plan.json")
	if strings.Contains(sent, "hunter2") {
		t.Error("the plan holds the secret's value")
	}
	got, err := DecodePlan(strings.NewReader(sent))
	if err != nil {
		t.Fatal(err)
	}
	if got.Nonce != Nonce("mabc") || len(got.StepDigest) != 64 {
		t.Errorf("nonce %q and digest %q were not filled", got.Nonce, got.StepDigest)
	}
	if secrets, err := DecodeSecrets(strings.NewReader(read(1, "secrets.json"))); err != nil || secrets[0] != "hunter2" {
		t.Errorf("the secrets are %q, %v", secrets, err)
	}
	if _, err := Command(runPlan(), nil); err == nil || !strings.Contains(err.Error(), "secret 0") {
		t.Errorf("a plan that names a missing secret gives %v", err)
	}
}

func TestQueriesShareAMutexOfTheirOwn(t *testing.T) {
	for _, p := range []Plan{{Ticket: "m1", Kind: KindInventory}, {Ticket: "m2", Kind: KindHealth, Health: &Health{}}} {
		cmd, err := Command(p, nil)
		if err != nil {
			t.Fatal(err)
		}
		if cmd.Isolation != tentacle.NoIsolation || *cmd.IsolationMutexName != "Mantle" || len(cmd.Files) != 1 {
			t.Errorf("%s: %+v", p.Kind, cmd)
		}
	}
}

// What the digest changes with decides whether a package is deployed again.
func TestDigestStep(t *testing.T) {
	base := DigestStep(deployPlan())
	for name, same := range map[string]func(*Plan){
		"another run":       func(p *Plan) { p.RunUID, p.RunName, p.Ticket, p.Nonce = "u2", "r2", "m2", "n2" },
		"another release":   func(p *Plan) { p.Release, p.Snapshot = "9.9.9", "s" },
		"system variables":  func(p *Plan) { p.Variables["release.version"] = Text("9"); p.Variables["Run.name"] = Text("r") },
		"number of secrets": func(p *Plan) { p.Variables["db.password"] = SecretRef(7) },
	} {
		p := deployPlan()
		same(&p)
		if DigestStep(p) != base {
			t.Errorf("%s changes the digest", name)
		}
	}
	for name, other := range map[string]func(*Plan){
		"value":     func(p *Plan) { p.Variables["db.host"] = Text("other") },
		"variable":  func(p *Plan) { p.Variables["new"] = Text("") },
		"content":   func(p *Plan) { p.Deploy.Content.SHA256 = strings.Repeat("a", 64) },
		"version":   func(p *Plan) { p.Deploy.Version = "1.4.3" },
		"sensitive": func(p *Plan) { p.Variables["db.host"] = SecretRef(0) },
	} {
		p := deployPlan()
		other(&p)
		if DigestStep(p) == base {
			t.Errorf("a changed %s does not change the digest", name)
		}
	}
}

func FuzzDecodePlan(f *testing.F) {
	for _, p := range []Plan{runPlan(), deployPlan()} {
		data, _ := json.Marshal(p)
		f.Add(data)
	}
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := DecodePlan(strings.NewReader(string(data)))
		if err == nil && p.Validate() != nil {
			t.Error("a plan was decoded that is not valid")
		}
		if s, err := DecodeSecrets(strings.NewReader(string(data))); err == nil && len(s) > MaxSecrets {
			t.Error("too many secrets were decoded")
		}
	})
}
