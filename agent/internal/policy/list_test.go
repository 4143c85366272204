//go:build unix

package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// rig is a home with a policy, a clock and a log.
type rig struct {
	*List
	t    *testing.T
	home home.Home
	log  bytes.Buffer
	now  time.Time
}

func newRig(t *testing.T, apart bool) *rig {
	t.Helper()
	h, err := home.Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, home: h, now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)} // a Monday
	r.List = Open(Config{Home: h, User: "tentacle", Apart: apart, Logger: slog.New(slog.NewTextHandler(&r.log, nil)), Now: func() time.Time { return r.now }})
	return r
}

func (r *rig) write(content string) {
	r.t.Helper()
	if err := home.WriteFile(r.home.Policy(), []byte(content)); err != nil {
		r.t.Fatal(err)
	}
}

// want asks, and expects to be refused by a rule; "" expects to be allowed.
func (r *rig) want(s Start, rule string) {
	r.t.Helper()
	if s.Operator == "" {
		s.Operator = sha256A
	}
	_, err := r.Check(s)
	r.refused(err, rule)
}

func (r *rig) refused(err error, rule string) {
	r.t.Helper()
	got := ""
	if named, ok := errors.AsType[interface {
		error
		Rule() string
	}](err); ok {
		got = named.Rule()
	}
	if got != rule || (err == nil) != (rule == "") {
		r.t.Errorf("refused by %q (%v), want %q", got, err, rule)
	}
	if err != nil {
		if told, _, ok := tentacle.ParseRefusedByPolicy(err.Error()); !ok || told != rule || strings.Contains(err.Error(), "\n") {
			r.t.Errorf("the operator reads %q", err)
		}
	}
}

func run(change ...func(*Call)) Start {
	c := &Call{Kind: step.KindRun, Interpreter: step.Bash}
	for _, f := range change {
		f(c)
	}
	return Start{Call: c}
}

func TestEachRuleRefusesByItsName(t *testing.T) {
	raw, deploy, inventory := Start{}, Start{Call: &Call{Kind: step.KindDeploy}}, Start{Call: &Call{Kind: step.KindInventory}}
	health := Start{Call: &Call{Kind: step.KindHealth, Interpreter: step.Bash}}
	look := Start{Call: &Call{Kind: step.KindHealth}}
	unread := Start{Call: &Call{Problem: "unknown version"}}
	as := func(user string) Start { return run(func(c *Call) { c.User = user }) }
	in := func(folder string) Start { return run(func(c *Call) { c.Folder = folder }) }
	turn := func(s Start, running int) Start {
		s.Turn, s.Running = true, running
		return s
	}
	type answers map[string]struct {
		start Start
		rule  string
	}
	tests := map[string]answers{
		"{}": {"raw": {raw, ""}, "run": {run(), ""}, "unread": {unread, ""}, "turn": {turn(raw, 1000), ""}},
		"{hours: {timeZone: UTC, allow: [Mon 12:00-13:00]}}": {"raw": {raw, ""}, "run": {run(), ""}},
		"{hours: {timeZone: UTC, allow: [Mon 13:00-14:00]}}": {
			"raw": {raw, RuleHours}, "run": {run(), RuleHours}, "deploy": {deploy, RuleHours}, "turn": {turn(deploy, 0), RuleHours}, "unread": {unread, RuleHours},
			"a health script": {health, RuleHours}, "inventory": {inventory, ""}, "health": {look, ""},
		},
		"{maxScripts: 2}": {"raw": {raw, ""}, "second": {turn(raw, 1), ""}, "third": {turn(raw, 2), RuleMaxScripts}, "third step": {turn(deploy, 2), RuleMaxScripts}},
		"{requireEngine: true}": {
			"raw": {raw, RuleRequireEngine}, "run": {run(), ""}, "deploy": {deploy, ""}, "unread": {unread, RuleRequireEngine}, "inventory": {inventory, ""},
			"as": {as("root"), ""}, "in": {in("/etc"), ""},
		},
		"{requireEngine: true, interpreters: [Python]}": {
			"raw": {raw, RuleRequireEngine}, "run": {run(), RuleInterpreters}, "health": {health, RuleInterpreters}, "look": {look, ""}, "deploy": {deploy, ""},
			"python": {run(func(c *Call) { c.Interpreter = step.Python }), ""},
		},
		"{requireEngine: true, interpreters: []}":     {"run": {run(), RuleInterpreters}, "deploy": {deploy, ""}},
		"{requireEngine: true, users: [deploy]}":      {"own": {run(), RuleUsers}, "deploy": {as("deploy"), ""}, "root": {as("root"), RuleUsers}, "package": {deploy, ""}, "health": {health, RuleUsers}},
		"{requireEngine: true, users: [tentacle]}":    {"own": {run(), ""}, "by name": {as("tentacle"), ""}, "number": {as("0"), RuleUsers}},
		"{requireEngine: true, folders: [/srv/shop]}": {"own": {run(), ""}, "inside": {in("/srv/shop/a"), ""}, "outside": {in("/srv/shopping"), RuleFolders}, "up": {in("/srv/shop/.."), RuleFolders}},
	}
	for rules, all := range tests {
		t.Run(rules, func(t *testing.T) {
			r := newRig(t, false)
			r.write("operators: {\"*\": " + rules + "}")
			for name, a := range all {
				r.t = t
				t.Log(name)
				r.want(a.start, a.rule)
			}
		})
	}
}

// Where scripts run as a user of their own, an operator cannot name another one, above all not root, unless the owner
// lists it: without a policy it may do what the scripts' user can, and no more.
func TestAStepNamesAnotherUserOnlyWhereTheOwnerListsIt(t *testing.T) {
	as := func(user string) Start { return run(func(c *Call) { c.User = user }) }
	for policy, want := range map[string]map[string]string{
		"":                       {"": "", "tentacle": "", "root": RuleUsers, "deploy": RuleUsers},
		"operators: {\"*\": {}}": {"": "", "tentacle": "", "root": RuleUsers},
		"operators: {\"*\": {requireEngine: true}}":                            {"": "", "tentacle": "", "root": RuleUsers},
		"operators: {\"*\": {requireEngine: true, users: [tentacle, deploy]}}": {"": "", "deploy": "", "root": RuleUsers},
	} {
		apart, together := newRig(t, true), newRig(t, false)
		if policy != "" {
			apart.write(policy)
		}
		for user, rule := range want {
			t.Logf("%q: as %q", policy, user)
			apart.want(as(user), rule)
			if policy == "" {
				together.want(as(user), "")
			}
		}
	}
}

func TestTransfersAreConfinedWithTheEngine(t *testing.T) {
	r := newRig(t, false)
	content := step.ContentPath(strings.Repeat("0", 64), step.FormatTar)
	r.refused(r.CheckUpload(sha256A, "", "Applications/x"), "")
	r.write("operators: {\"*\": {requireEngine: true, hours: {timeZone: UTC, allow: [Mon 12:00-13:00]}}}")
	for _, check := range []error{r.CheckUpload(sha256A, "", content), r.CheckDownload(sha256A, "", content)} {
		r.refused(check, "")
	}
	for _, path := range []string{"Applications/x", "Files/engine", "Files/mantle/../engine", "/" + content} {
		r.refused(r.CheckUpload(sha256A, "", path), RuleRequireEngine)
		r.refused(r.CheckDownload(sha256A, "", path), RuleRequireEngine)
	}
	r.now = r.now.Add(time.Hour)
	r.refused(r.CheckUpload(sha256A, "", content), RuleHours)
	r.refused(r.CheckDownload(sha256A, "", content), "")
}

func TestAnOperatorHasItsOwnEntryOrThatOfAll(t *testing.T) {
	r := newRig(t, false)
	r.write("operators: {" + sha1A + ": {requireEngine: true}, " + sha256B + ": {}}")
	r.want(Start{Operator: sha256A, SHA1: sha1A}, RuleRequireEngine)
	r.want(Start{Operator: sha256B, SHA1: "0000000000000000000000000000000000000000"}, "")
	r.want(Start{Operator: sha256A, SHA1: "0000000000000000000000000000000000000000"}, RuleOperators)
	r.want(Start{Operator: sha256A}, RuleOperators)
	r.write("operators: {" + sha1A + ": {}, \"*\": {requireEngine: true}}")
	r.want(Start{Operator: sha256A, SHA1: sha1A}, "")
	r.want(Start{Operator: sha256B}, RuleRequireEngine)
}

func TestAPolicyTakesEffectAtTheNextQuestion(t *testing.T) {
	r := newRig(t, true)
	standing := func(want tentacle.Policy) {
		t.Helper()
		if got := r.Standing(); got != want {
			t.Errorf("standing %s, want %s", got, want)
		}
	}
	r.want(Start{}, "")
	standing(tentacle.PolicyNone)
	r.write("operators: {\"*\": {requireEngine: true}}")
	r.want(Start{}, RuleRequireEngine)
	standing(tentacle.PolicyEnforced)
	r.write("operators: {\"*\": {}}")
	r.want(Start{}, "")
	r.write("operators: {\"*\": {maxScript: 1}}")
	r.want(Start{}, RulePolicy)
	r.refused(r.CheckUpload(sha256A, "", "x"), RulePolicy)
	r.refused(r.CheckDownload(sha256A, "", "x"), RulePolicy)
	standing(tentacle.PolicyEnforced)
	for range 10 {
		r.want(Start{Call: &Call{Kind: step.KindInventory}}, RulePolicy)
	}
	if n := strings.Count(r.log.String(), "level=ERROR"); n != 1 || !strings.Contains(r.log.String(), "maxScript: is no known key") {
		t.Errorf("%d errors in the log:\n%s", n, r.log.String())
	}
	if err := os.Remove(r.home.Policy()); err != nil {
		t.Fatal(err)
	}
	r.want(Start{}, "")
	standing(tentacle.PolicyNone)
	if err := os.Mkdir(r.home.Policy(), 0o700); err != nil {
		t.Fatal(err)
	}
	r.want(Start{}, RulePolicy) // what cannot be read forbids everything
}

func TestMaxOutputIsToldWithTheLeaveToStart(t *testing.T) {
	r := newRig(t, false)
	r.write("operators: {\"*\": {maxOutput: 2MiB}}")
	if got, err := r.Check(Start{Operator: sha256A}); got != 2<<20 || err != nil {
		t.Errorf("%d, %v", got, err)
	}
	if got := newRig(t, false).Standing(); got != tentacle.PolicyNone {
		t.Error(got)
	}
}

func TestACallIsReadFromItsPlan(t *testing.T) {
	plan := func(change func(*step.Plan)) []byte {
		p := step.Plan{Version: step.Version, Ticket: "t", Nonce: "n", Kind: step.KindHealth, Health: &step.Health{PowerShell: "exit"}}
		change(&p)
		data, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	if c := CallOf(plan(func(*step.Plan) {})); !c.Query() || !c.harmless() { // the other system's script does not run here
		t.Errorf("%+v", c)
	}
	if c := CallOf(plan(func(p *step.Plan) { p.Health.Bash = "true" })); c.Interpreter != step.Bash || c.harmless() {
		t.Errorf("%+v", c)
	}
	run := plan(func(p *step.Plan) {
		p.Kind, p.Health, p.Namespace, p.Environment, p.Project, p.RunUID, p.Step = step.KindRun, nil, "n", "e", "p", "u", "s"
		p.Run = &step.Run{Shell: step.Python, User: "deploy", WorkingDir: "/srv"}
	})
	if diff := cmp.Diff(&Call{Kind: step.KindRun, Interpreter: step.Python, User: "deploy", Folder: "/srv"}, CallOf(run)); diff != "" {
		t.Error(diff)
	}
	if c := CallOf([]byte(`{"version":1,"kind":"run"}`)); c.Problem == "" || c.Query() {
		t.Errorf("%+v", c)
	}
}
