//go:build unix

package engine

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/mantledeploy/mantle/agent/internal/deploy"
	"github.com/mantledeploy/mantle/api/step"
)

func TestWhatDeploysAgainAndWhatDoesNot(t *testing.T) {
	m := newMachine(t)
	one, two := m.upload("1.0.0", "one"), m.upload("1.1.0", "two")
	withVariable := func(p step.Plan, host string) step.Plan {
		p.Variables = map[string]step.Value{"db.host": step.Text(host), "pw": step.SecretRef(0)}
		return p
	}
	anotherRun := func(p step.Plan) step.Plan {
		p.RunUID, p.RunName, p.Snapshot = "u2", "run-2", "snap-2"
		p.Variables["run.name"] = step.Text("run-2")
		return p
	}
	for _, c := range []struct {
		what    string
		plan    step.Plan
		secret  string
		skipped bool
		body    string
		folder  string
	}{
		{"the first time", withVariable(one, "a"), "s3cret", false, "one", "1.0.0"},
		{"nothing changed, another run", anotherRun(withVariable(one, "a")), "s3cret", true, "one", "1.0.0"},
		{"and once more", withVariable(one, "a"), "s3cret", true, "one", "1.0.0"},
		{"a changed variable", withVariable(one, "b"), "s3cret", false, "one", "1.0.0_1"},
		{"a changed secret", withVariable(one, "b"), "s4cret", false, "one", "1.0.0_2"},
		{"a newer version", withVariable(two, "b"), "s4cret", false, "two", "1.1.0"},
		{"back to the older", withVariable(one, "b"), "s4cret", false, "one", "1.0.0_3"},
		{"nothing changed", withVariable(one, "b"), "s4cret", true, "one", "1.0.0_3"},
	} {
		r := m.step(c.plan, c.secret).ok(t)
		body, folder := m.current()
		if r.result.Skipped != c.skipped || body != c.body || folder != c.folder {
			t.Errorf("%s: skipped %v, current is %q in %s", c.what, r.result.Skipped, body, folder)
		}
		directory := filepath.Join(m.home, "Applications/shop/production/shop/web", c.folder)
		if r.result.Outputs["package.directory"] != directory || r.result.Outputs["package.version"] != c.plan.Deploy.Version {
			t.Errorf("%s: outputs %v", c.what, r.result.Outputs)
		}
	}
	for _, row := range m.rows() {
		for _, value := range row {
			if text, ok := value.(string); ok && strings.Contains(text, "cret") {
				t.Errorf("the journal holds a secret: %v", row)
			}
		}
	}
}

func TestAContentThatIsNotThereOrWrong(t *testing.T) {
	m := newMachine(t)
	p := m.upload("1.0.0", "one")
	path := filepath.Join(m.home, filepath.FromSlash(p.Deploy.Content.Path))
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[600] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	m.step(p).failed(t, step.ExitFailed, step.ReasonContentCorrupt)
	r := m.step(p).failed(t, step.ExitFailed, step.ReasonContentMissing)
	if !strings.Contains(r.result.Tail, "not on this machine") {
		t.Errorf("tail %q", r.result.Tail)
	}
	if body, _ := m.current(); body != "" {
		t.Errorf("current is %q", body)
	}
}

// Whenever an engine dies, the link points to something whole, and the next attempt puts it right.
func TestACrashLeavesNothingHalfSwitched(t *testing.T) {
	points := []string{"claimed", "begun", deploy.PointUnpacked, deploy.PointNamed, deploy.PointLinked, deploy.PointSwitched, "ended"}
	for _, point := range points {
		t.Run(point, func(t *testing.T) {
			m := newMachine(t)
			one, two := m.upload("1.0.0", "one"), m.upload("1.1.0", "two")
			m.step(one).ok(t)
			m.env = []string{crashAt + "=" + point}
			two.RunUID, two.Final = "u2", true
			if r := m.step(two); r.hasResult || r.code == 0 {
				t.Fatalf("it did not die: %d %s", r.code, r.stdout)
			}
			m.env = nil
			body, folder := m.current()
			switched := point == deploy.PointSwitched || point == "ended"
			if switched != (body == "two") || !switched && folder != "1.0.0" {
				t.Errorf("current is %q in %s", body, folder)
			}
			inv := m.step(plan(step.KindInventory)).ok(t).inventory
			told := inv.Installed[0].RunUID + " " + inv.Installed[0].Phase
			if want := map[string]string{"claimed": "u1 Incomplete", "ended": "u2 Succeeded"}[point]; told != want && (want != "" || told != "u2 Incomplete") {
				t.Errorf("the inventory tells %s", told)
			}
			r := m.step(two).ok(t)
			if r.result.Skipped != (point == "ended") {
				t.Errorf("the next attempt skipped: %v", r.result.Skipped)
			}
			if body, _ := m.current(); body != "two" {
				t.Errorf("after the next attempt current is %q", body)
			}
			left, _ := filepath.Glob(filepath.Join(m.home, "Applications/shop/production/shop/web/.*"))
			if len(left) != 0 {
				t.Errorf("left over: %v", left)
			}
		})
	}
}

func TestInventoryTellsWhatTheMachineHolds(t *testing.T) {
	m := newMachine(t)
	empty := m.step(plan(step.KindInventory)).ok(t).inventory
	if len(empty.Installed) != 0 || len(empty.Contents) != 0 || empty.OS != runtime.GOOS || empty.Arch != runtime.GOARCH || empty.FreeBytes <= 0 {
		t.Errorf("an empty machine tells %+v", empty)
	}
	p := m.upload("1.0.0", "one")
	m.step(p).ok(t)
	if got := m.step(plan(step.KindInventory)).ok(t).inventory.Installed; len(got) != 1 || got[0].Phase != step.Incomplete {
		t.Errorf("with steps to come it tells %+v", got)
	}
	last := script(step.Bash, "true")
	last.Final = true
	m.step(last).ok(t)
	inv := m.step(plan(step.KindInventory)).ok(t).inventory
	if len(inv.Installed) != 1 || inv.Installed[0].Phase != step.Succeeded || inv.Installed[0].Run != "run-1" || inv.Installed[0].Snapshot != "snap" {
		t.Errorf("it tells %+v", inv.Installed)
	}
	if len(inv.Contents) != 1 || inv.Contents[0] != p.Deploy.Content.SHA256 {
		t.Errorf("contents %v", inv.Contents)
	}
}

func TestHealth(t *testing.T) {
	m := newMachine(t)
	p := plan(step.KindHealth)
	p.Health = &step.Health{Bash: "echo disk is full; exit 2", PowerShell: "'disk is full'; exit 2"}
	r := m.step(p).failed(t, 2, step.ReasonUnhealthy)
	if r.result.Tail != "disk is full" {
		t.Errorf("tail %q", r.result.Tail)
	}
	p.Health = &step.Health{Bash: "exit 0", PowerShell: "exit 0"}
	m.step(p).ok(t)
	p.Health = &step.Health{}
	m.step(p).ok(t)
	if _, err := os.Stat(filepath.Join(m.home, "Applications/deployments.jsonl")); !os.IsNotExist(err) {
		t.Error("a health check is in the journal")
	}
}

func TestWithoutAHomeNothingIsDone(t *testing.T) {
	m := newMachine(t)
	m.env = []string{"TentacleHome="}
	r := m.step(script(step.Bash, "echo ran")).failed(t, step.ExitFailed, step.ReasonEngineFailed)
	if strings.Contains(r.shown, "ran") || !strings.Contains(r.result.Tail, "TentacleHome") {
		t.Errorf("shown %q, tail %q", r.shown, r.result.Tail)
	}
}
