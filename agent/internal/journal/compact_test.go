package journal

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mantledeploy/mantle/api/step"
)

// compacted compacts a journal, and returns what it said of the machine before and after, to each operator and to the owner.
func compacted(t *testing.T, j *Journal, operators ...string) (before, after [][]step.Installed) {
	t.Helper()
	installed := func() (all [][]step.Installed) {
		for _, o := range append(operators, "") {
			one, err := j.Installed(o)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, one)
		}
		return all
	}
	before = installed()
	if err := j.locked(true, j.compact); err != nil {
		t.Fatal(err)
	}
	return before, installed()
}

func TestALateEndOfAnOlderRunIsNotTheNewestWhenTheJournalIsCompacted(t *testing.T) {
	j, _ := open(t)
	add(t, j, row("p", "1", "a", Started, true), row("p", "2", "b", Started, true), row("p", "2", "b", Succeeded, true), row("p", "1", "a", Failed, true))
	before, after := compacted(t, j)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("-before +after:\n%s", diff)
	}
}

// FuzzCompact takes any bytes for the journal, as those who deploy can write there: the rows that are asked for stay.
func FuzzCompact(f *testing.F) {
	line := func(rest string) string {
		return `{"namespace":"n","environment":"e","project":"p","step":"s","kind":"deploy","phase":"Succeeded","time":"2026-01-02T03:04:05Z",` + rest + "}\n"
	}
	f.Add([]byte(line(`"runUID":"1","ticket":"a","final":true`) + line(`"runUID":"2","ticket":"b"`) + line(`"runUID":"1","ticket":"a"`)))
	f.Add([]byte(line(`"runUID":"1","ticket":"a","operator":"A","package":"w","version":"1"`) + "torn{\n\n" + line(`"runUID":"2","ticket":"b","operator":"B","package":"w"`) + `{"runUID":"3"`))
	f.Fuzz(func(t *testing.T, data []byte) {
		j, path := open(t)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		packages := map[[5]string]Row{}
		note := func(into map[[5]string]Row) func(Row) {
			return func(r Row) {
				if r.Package != "" {
					into[packageOf(r)] = r
				}
			}
		}
		if err := j.each(note(packages)); err != nil {
			t.Fatal(err)
		}
		before, after := compacted(t, j, "A", "B")
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("what is installed (-before +after):\n%s", diff)
		}
		kept := map[[5]string]Row{}
		if err := j.each(note(kept)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(packages, kept); diff != "" {
			t.Errorf("the newest of each package (-before +after):\n%s", diff)
		}
		once, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(once) > len(data)+1 {
			t.Errorf("%d bytes became %d", len(data), len(once))
		}
		compacted(t, j)
		if twice, err := os.ReadFile(path); err != nil || !bytes.Equal(once, twice) {
			t.Errorf("it is not the same when it is done again: %v", err)
		}
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*.new")); len(left) > 0 {
			t.Errorf("left are %v", left)
		}
	})
}
