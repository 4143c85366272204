package files

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/step"
)

// Contents make room for an upload: nobody's first, then the operator's own, then those of who has more. What is new stays.
func TestContentsMakeRoom(t *testing.T) {
	s, h := newStore(t)
	now := time.Now()
	sums := map[string]string{}
	put := func(operator, name string, size int, age time.Duration) {
		t.Helper()
		sums[name] = fmt.Sprintf("%064x", len(sums)+1)
		path := step.ContentPath(sums[name], step.FormatTar)
		if operator == "" {
			write(t, filepath.Join(h.Dir(), filepath.FromSlash(path)), strings.Repeat("x", size))
		} else if _, err := s.UploadFile(as(t, operator), path, stream(strings.Repeat("x", size))); err != nil {
			t.Fatal(err)
		}
		folder := filepath.Dir(filepath.Join(h.Dir(), filepath.FromSlash(path)))
		files, err := os.ReadDir(folder)
		for _, f := range files {
			if err == nil {
				err = os.Chtimes(filepath.Join(folder, f.Name()), now.Add(-age), now.Add(-age))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	there := func(name string) bool {
		_, err := os.Lstat(filepath.Join(h.Dir(), "Files", "mantle", sums[name]))
		return err == nil
	}
	want := func(what string, names ...string) {
		t.Helper()
		left := map[string]bool{}
		for _, n := range names {
			left[n] = true
		}
		for n := range sums {
			if there(n) != left[n] {
				t.Errorf("%s: %s is there: %v", what, n, there(n))
			}
		}
	}
	put("", "nobody's", 100, time.Hour)
	put("greedy", "greedy old", 1000, 3*time.Hour)
	put("greedy", "greedy", 1000, 2*time.Hour)
	put("greedy", "greedy new", 1000, time.Minute)
	put("modest", "modest old", 100, 5*time.Hour)
	put("modest", "modest new", 100, time.Minute)
	who := operatorOf(as(t, "modest"))
	if s.MakeRoom(who, 10_000) {
		t.Error("it says that it made more room than there is")
	}
	want("where it is not enough", "nobody's", "greedy old", "greedy", "greedy new", "modest old", "modest new")
	if !s.MakeRoom(who, 50) {
		t.Error("no room")
	}
	want("of nobody", "greedy old", "greedy", "greedy new", "modest old", "modest new")
	if !s.MakeRoom(operatorOf(as(t, "greedy")), 1500) {
		t.Error("no room")
	}
	want("one's own", "greedy new", "modest old", "modest new")
	put("greedy", "greedy next", 1000, 2*time.Hour)
	if !s.MakeRoom(who, 600) {
		t.Error("no room")
	}
	want("who has more", "greedy new", "modest new")
}
