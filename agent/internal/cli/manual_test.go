package cli

import (
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write the files in testdata/help anew")

// commands calls f with every command that people can ask about.
func commands(f func(*cobra.Command)) {
	a := &app{env: func(k string) (string, bool) { return "/var/lib/tentacle", k == "TENTACLE_HOME" }}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		f(c)
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(a.root())
}

func TestEveryCommandHasAManualOfItsOwn(t *testing.T) {
	commands(func(c *cobra.Command) {
		path := c.CommandPath()
		for part, text := range map[string]string{"Short": c.Short, "Long": c.Long, "Example": c.Example} {
			if strings.TrimSpace(text) == "" {
				t.Errorf("%s has no %s", path, part)
			}
		}
		for i, line := range strings.Split(c.Long+"\n"+c.Example, "\n") {
			if len([]rune(line)) > terminalWidth {
				t.Errorf("%s: line %d is too long for a terminal: %q", path, i+1, line)
			}
		}
		for line := range strings.Lines(c.Example) {
			if !strings.HasPrefix(line, "  ") {
				t.Errorf("%s: the example %q is not indented by two spaces", path, line)
			}
		}
		if strings.HasSuffix(c.Short, ".") || c.Short != strings.ToUpper(c.Short[:1])+c.Short[1:] {
			t.Errorf("%s: %q is no headline", path, c.Short)
		}
		m, ok := manuals()[path]
		if !ok || m.group != programs && len(m.exits) == 0 || c.HasParent() && m.group == "" {
			t.Errorf("%s has no line in manuals.go, or one without group or exit codes", path)
		}
	})
}

// What a command prints is read as text in review. Run the test with -update to write it anew.
func TestHelpIsWhatIsInTestdata(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the text names the paths of Linux")
	}
	known := map[string]bool{}
	commands(func(c *cobra.Command) {
		name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".txt"
		known[name] = true
		path := filepath.Join("testdata", "help", name)
		r := &rig{t: t, env: map[string]string{"TENTACLE_HOME": "/var/lib/tentacle"}}
		got := r.must(append(strings.Fields(c.CommandPath())[1:], "--help")...)
		if *update {
			overwriteText(t, path, got)
			return
		}
		want, err := os.ReadFile(path)
		if err != nil || string(want) != got {
			t.Errorf("the help of '%s' is not what %s says (%v); if it is meant: go test ./agent/internal/cli -run Help -update\n%s", c.CommandPath(), path, err, got)
		}
	})
	files, err := os.ReadDir(filepath.Join("testdata", "help"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !known[f.Name()] {
			t.Errorf("testdata/help/%s is of no command; remove it", f.Name())
		}
	}
}

func overwriteText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestHelpIsPrintedHoweverItIsAskedFor(t *testing.T) {
	r := newRig(t)
	want := r.must("certificate", "import", "--help")
	contains(t, want, "tentacle certificate import - ", "Usage:", "Examples:", "Flags:", "--home", "Next:", "Files:", "Exit codes:", "identities")
	for _, args := range [][]string{{"certificate", "import", "-h"}, {"help", "certificate", "import"}} {
		if got := r.must(args...); got != want {
			t.Errorf("%v prints\n%s", args, got)
		}
	}
	contains(t, r.must("trust"), "Commands:", "'tentacle trust COMMAND --help'")
	contains(t, r.must("step", "--help"), "not meant for people")
}
