package journal

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mantledeploy/mantle/api/step"
)

func open(t *testing.T) (*Journal, string) {
	t.Helper()
	home := t.TempDir()
	j, err := Open(home)
	if err != nil {
		t.Fatal(err)
	}
	return j, filepath.Join(home, Folder, File)
}

func add(t *testing.T, j *Journal, rows ...Row) {
	t.Helper()
	for _, r := range rows {
		if err := j.Append(r, false); err != nil {
			t.Fatal(err)
		}
	}
}

func row(project, run, ticket, phase string, final bool) Row {
	return Row{Namespace: "shop", Environment: "production", Project: project, Release: "v" + run, Run: "run-" + run, RunUID: run,
		Step: "s", Ticket: ticket, Phase: phase, Final: final, Time: time.Unix(100, 0).UTC()}
}

func TestInstalledTellsTheNewestRun(t *testing.T) {
	for name, c := range map[string]struct {
		rows       []Row
		run, phase string
	}{
		"ended well": {[]Row{row("p", "1", "a", Started, false), row("p", "1", "a", Succeeded, false),
			row("p", "1", "b", Started, true), row("p", "1", "b", Succeeded, true)}, "1", step.Succeeded},
		"the last step is missing": {[]Row{row("p", "1", "a", Succeeded, false)}, "1", step.Incomplete},
		"one failed, a later one ran": {[]Row{row("p", "1", "a", Failed, false), row("p", "1", "b", Succeeded, true)},
			"1", step.Incomplete},
		"a newer run began":             {[]Row{row("p", "1", "a", Succeeded, true), row("p", "2", "b", Started, true)}, "2", step.Incomplete},
		"cut off within the final step": {[]Row{row("p", "1", "a", Started, true)}, "1", step.Incomplete},
		"a late end of an older run": {[]Row{row("p", "1", "a", Started, true), row("p", "2", "b", Succeeded, true),
			row("p", "1", "a", Failed, true)}, "2", step.Succeeded},
	} {
		j, _ := open(t)
		add(t, j, c.rows...)
		got, err := j.Installed("")
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 1 || got[0].RunUID != c.run || got[0].Phase != c.phase || got[0].Release != "v"+c.run {
			t.Errorf("%s: %+v, want run %s %s", name, got, c.run, c.phase)
		}
	}
}

func TestAnOperatorIsToldOfItsOwnDeployments(t *testing.T) {
	j, _ := open(t)
	for operator, project := range map[string]string{"first": "p", "second": "q", "": "r"} { // the last is of an earlier version
		r := row(project, "1", "a", Succeeded, true)
		r.Operator = operator
		add(t, j, r)
	}
	for operator, want := range map[string]string{"first": "p r", "second": "q r", "": "p q r"} {
		got, err := j.Installed(operator)
		var projects []string
		for _, i := range got {
			projects = append(projects, i.Project)
		}
		slices.Sort(projects)
		if text := strings.Join(projects, " "); err != nil || text != want {
			t.Errorf("%q: %s, %v, want %s", operator, text, err, want)
		}
	}
}

func TestInstalledIsBoundedToTheNewest(t *testing.T) {
	j, _ := open(t)
	for i := range step.MaxInstalled + 5 {
		add(t, j, row(fmt.Sprint("p", i), "1", "a", Succeeded, true))
	}
	got, err := j.Installed("")
	if err != nil || len(got) != step.MaxInstalled || got[0].Project != fmt.Sprint("p", step.MaxInstalled+4) {
		t.Errorf("%d rows, %v, the first is %+v", len(got), err, got[0])
	}
}

func TestATornLineIsPassedOver(t *testing.T) {
	j, path := open(t)
	add(t, j, row("p", "1", "a", Succeeded, true))
	for _, torn := range []string{`{"namespace":"shop","envir`, string(bytes.Repeat([]byte("x"), 5*maxRow)), "\x00\x00\n{}}\n"} {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(torn); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if got, err := j.Installed(""); err != nil || got[0].Phase != step.Succeeded {
			t.Fatalf("after a torn line: %+v, %v", got, err)
		}
		add(t, j, row("p", "1", "a", Succeeded, true))
	}
	n := 0
	if err := j.each(func(r Row) {
		if r.Project == "p" {
			n++
		}
	}); err != nil || n != 4 {
		t.Errorf("%d rows can be read, %v; want 4", n, err)
	}
}

func TestManyWritersLoseNothing(t *testing.T) {
	j, _ := open(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 25 {
				if err := j.Append(row("p", fmt.Sprint(i), fmt.Sprint(n), Succeeded, false), n == 0); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	n := 0
	if err := j.each(func(Row) { n++ }); err != nil || n != 200 {
		t.Errorf("%d rows, %v; want 200", n, err)
	}
}

func TestNewestIsTheLastThatMatches(t *testing.T) {
	j, _ := open(t)
	add(t, j, row("p", "1", "a", Failed, false), row("p", "2", "b", Succeeded, false), row("q", "3", "c", Failed, false))
	got, found, err := j.Newest(func(r Row) bool { return r.Project == "p" })
	if diff := cmp.Diff(row("p", "2", "b", Succeeded, false), got); err != nil || !found || diff != "" {
		t.Errorf("%v %v\n%s", found, err, diff)
	}
	if _, found, _ := j.Newest(func(r Row) bool { return r.Project == "x" }); found {
		t.Error("found a row of a project that has none")
	}
}

func TestTheKeyStays(t *testing.T) {
	j, path := open(t)
	first, err := j.Key()
	if err != nil {
		t.Fatal(err)
	}
	second, err := j.Key()
	if err != nil || !bytes.Equal(first, second) || len(first) != 32 {
		t.Errorf("keys %x and %x, %v", first, second, err)
	}
	info, err := os.Stat(filepath.Join(filepath.Dir(path), keyFile))
	if err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("the key's file: %v, %v", info.Mode(), err)
	}
}

// The journal does not grow for ever, and tells the same when what is no longer asked for is left out of it.
func TestTheJournalIsCompacted(t *testing.T) {
	j, path := open(t)
	long := strings.Repeat("x", 20<<10)
	add(t, j, row("quiet", "1", "q", Succeeded, true))
	deployed := row("busy", "0", "d", Succeeded, false)
	deployed.Kind, deployed.Package, deployed.Version = "deploy", "app", "1.0"
	add(t, j, deployed)
	var others sync.WaitGroup
	for i := range 4 {
		others.Go(func() { // as other processes, whose rows must not be lost
			other, err := Open(filepath.Dir(j.folder))
			if err != nil {
				t.Error(err)
				return
			}
			for n := range 150 {
				r := row(fmt.Sprint("busy", i), fmt.Sprint(n), "t", Succeeded, true)
				r.Reason = long
				if err := other.Append(r, false); err != nil {
					t.Error(err)
				}
			}
		})
	}
	others.Wait()
	info, err := os.Stat(path)
	if err != nil || info.Size() > compactAt+64<<10 {
		t.Fatalf("%v, %v", info.Size(), err)
	}
	got, err := j.Installed("")
	if err != nil {
		t.Fatal(err)
	}
	runs := map[string]string{}
	for _, i := range got {
		runs[i.Project] = i.RunUID + " " + i.Phase
	}
	want := map[string]string{"quiet": "1 Succeeded", "busy": "0 Incomplete"}
	for i := range 4 {
		want[fmt.Sprint("busy", i)] = "149 Succeeded"
	}
	if diff := cmp.Diff(want, runs); diff != "" {
		t.Error(diff)
	}
	if r, found, err := j.Newest(func(r Row) bool { return r.Package == "app" }); err != nil || !found || r.Version != "1.0" {
		t.Errorf("the package: %+v, %v, %v", r, found, err)
	}
	if left, _ := filepath.Glob(path + ".new"); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

func TestAHomeHasNoJournalBeforeItsFirstRow(t *testing.T) {
	j, path := open(t)
	home := filepath.Dir(filepath.Dir(path))
	if !Missing(home) {
		t.Error("a new home has a journal")
	}
	if add(t, j, row("web", "1", "t", "Succeeded", true)); Missing(home) {
		t.Error("the journal is missing after its first row")
	}
}
