//go:build unix

package scripts

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mantledeploy/mantle/agent/internal/policy"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

func TestAScriptRunsWithItsFilesArgumentsAndEnvironment(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Env = []string{"MANTLE_ENGINE=/opt/engine"} })
	cmd := script("Run-1", "#!/bin/false\r\necho \"$#:$1:$2\"\r\necho $MANTLE_ENGINE $MANTLE_SUPERVISOR_NOTIFY\r\npwd\r\ncat data/a.txt 'b\\c.txt' CON.txt d.txt D.txt\r\necho bad >&2\r\nexit 7\r\n")
	cmd.Arguments = []string{`"two words"`, "x"}
	for _, f := range [][2]string{{"d.txt", "first"}, {"data/a.txt", "content"}, {`b\c.txt`, "backslash"}, {"CON.txt", "console"}, {"d.txt", "last"}, {"D.txt", "large"}} {
		cmd.Files = append(cmd.Files, tentacle.ScriptFile{Name: f[0], Contents: halibut.NewDataStreamBytes([]byte(f[1] + "\n"))})
	}
	got := r.run(cmd)
	var out, bad []string
	for _, l := range got.Logs {
		if l.Source == tentacle.StdErr {
			bad = append(bad, l.Text)
		} else {
			out = append(out, l.Text)
		}
	}
	want := []string{"2:two words:x", "/opt/engine", r.inHome("Work", "Run-1"), "content", "backslash", "console", "last", "large"}
	if diff := cmp.Diff(want, out); diff != "" || got.ExitCode != 7 || !cmp.Equal(bad, []string{"bad"}) {
		t.Errorf("exit code %d, stderr %q, stdout (-want +got):\n%s", got.ExitCode, bad, diff)
	}
	r.completeScript("run-1")
	if exists(r.inHome("Work", "Run-1")) || exists(r.inHome(".tentacle", "tickets", "run-1")) {
		t.Error("a completed script has left a folder")
	}
}

func TestTheBashScriptGoesBeforeTheBody(t *testing.T) {
	r := newRig(t)
	cmd := script("a", "Write-Host hello")
	cmd.Scripts = map[string]string{"Bash": "echo bash"}
	r.want(r.run(cmd), 0, "bash\n")
}

func TestATicketRunsOnce(t *testing.T) {
	r := newRig(t)
	path, note := r.marker("ran")
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			id := "Once"
			if i%2 == 0 {
				id = "oNCE"
			}
			if _, err := r.StartScript(context.Background(), operator, script(id, note+"echo done")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	r.want(r.await("ONCE", 0), 0, "done\n")
	r.want(r.start(script("once", "echo another body")), 0, "done\n")
	r.restart()
	r.want(r.start(script("once", note)), 0, "done\n")
	r.completeScript("Once")
	for range 2 {
		r.want(r.start(script("once", note)), tentacle.ExitAlreadyCompleted, "! already completed, exit code 0\n")
		r.want(r.status("once", 0), tentacle.ExitUnknownScript, "")
		r.want(r.cancelScript("once"), tentacle.ExitUnknownScript, "")
		r.completeScript("once")
		r.restart()
	}
	if got := content(path); got != "ran\n" {
		t.Errorf("it ran %q", got)
	}
}

func TestStartWaitsForTheEndWhenAsked(t *testing.T) {
	r := newRig(t)
	cmd := script("a", "sleep 0.2; echo done")
	wait := halibut.TimeSpan(20 * time.Second)
	cmd.DurationToWaitForScriptToFinish = &wait
	r.want(r.start(cmd), 0, "done\n")
	cmd = script("b", "sleep 300")
	wait = halibut.TimeSpan(50 * time.Millisecond)
	cmd.DurationToWaitForScriptToFinish = &wait
	if got := r.start(cmd); got.State == tentacle.Complete || got.ExitCode != 0 {
		t.Errorf("state %d, exit code %d", got.State, got.ExitCode)
	}
}

func TestATicketBelongsToItsOperator(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	r.run(script("mine", "echo secret"))
	id := tentacle.ScriptTicket{TaskID: "mine"}
	for _, completed := range []bool{false, true} {
		got, err := r.GetStatus(ctx, stranger, tentacle.ScriptStatusRequestV2{Ticket: id})
		if err != nil || got.ExitCode != tentacle.ExitUnknownScript || len(got.Logs) > 0 {
			t.Errorf("completed %v: GetStatus: %v, %v", completed, got, err)
		}
		got, err = r.CancelScript(ctx, stranger, tentacle.CancelScriptCommandV2{Ticket: id})
		if err != nil || got.ExitCode != tentacle.ExitUnknownScript {
			t.Errorf("completed %v: CancelScript: %v, %v", completed, got, err)
		}
		if err := r.CompleteScript(ctx, stranger, tentacle.CompleteScriptCommandV2{Ticket: id}); err != nil {
			t.Error(err)
		}
		if !completed {
			r.want(r.status("mine", 0), 0, "secret\n")
			r.completeScript("mine")
		}
	}
}

func TestWhatIsRefusedLeavesNothing(t *testing.T) {
	file := func(name string) tentacle.StartScriptCommandV2 {
		cmd := script("files", "echo")
		cmd.Files = []tentacle.ScriptFile{{Name: name, Contents: halibut.NewDataStreamBytes(nil)}}
		return cmd
	}
	two := file("a")
	two.Files = append(two.Files, tentacle.ScriptFile{Name: "a/b"})
	tests := map[string]struct {
		cmd  tentacle.StartScriptCommandV2
		says string
	}{
		"a ticket with a slash":          {script("a/b", "echo"), "ticket"},
		"a ticket that is a folder":      {script("..", "echo"), "ticket"},
		"a ticket that is too long":      {script(strings.Repeat("a", 101), "echo"), "ticket"},
		"a ticket that is a device":      {script("NUL", "echo"), "device"},
		"a ticket like a device's file":  {script("lpt1.x", "echo"), "device"},
		"a ticket with a dot at its end": {script("a.", "echo"), "dot"},
		"a file outside the folder":      {file("../x"), `"../x"`},
		"an absolute file":               {file("/etc/x"), `"/etc/x"`},
		"no ticket":                      {script("", "echo"), "ticket"},
		"a file outside, with backslash": {file(`..\x`), `x`},
		"a file without a name":          {file(""), `""`},
		"a file with a line feed":        {file("a\nb"), "path"},
		"a file in the script's place":   {file("bootstrap.SH"), "taken"},
		"a file that is also a folder":   {two, "taken"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			got := r.start(test.cmd)
			if got.State != tentacle.Complete || got.ExitCode != tentacle.ExitBadTicket || len(got.Logs) != 1 || got.Logs[0].Source != tentacle.StdErr || !strings.Contains(got.Logs[0].Text, test.says) {
				t.Errorf("got %+v", got)
			}
			for _, dir := range []string{r.inHome("Work"), r.inHome(".tentacle", "tickets")} {
				if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
					t.Errorf("%s holds %v, %v", dir, left, err)
				}
			}
		})
	}
}

func TestNamesOfFilesAsTheSystemHasThem(t *testing.T) {
	for given, want := range map[string][2]string{ // on Linux and on Windows; empty is refused
		`a\b.txt`: {`a\b.txt`, "a/b.txt"}, "a//b": {"a/b", "a/b"}, "sub/aux.txt": {"sub/aux.txt", ""}, "sub /x": {"sub /x", ""}, "a.": {"a.", ""},
		`..\x`: {}, `C:\..\..\x`: {}, "../x": {}, "/x": {}, "": {}, ".": {}, "bootstrap.sH": {},
	} {
		for i, system := range []string{"linux", onWindows} {
			got, err := fileName(given, system)
			if got != want[i] || (err != nil) != (want[i] == "") {
				t.Errorf("%q on %s is %q, %v; want %q", given, system, got, err, want[i])
			}
		}
	}
	files := []tentacle.ScriptFile{{Name: "a"}, {Name: "b"}, {Name: "A"}, {Name: "a"}}
	for system, want := range map[string][]string{"linux": {"", "b", "A", "a"}, onWindows: {"", "b", "", "a"}} {
		if got, err := fileNames(files, system); err != nil || !cmp.Equal(want, got) {
			t.Errorf("on %s: %q, %v", system, got, err)
		}
	}
}

func TestAMutexWithoutANameIsNotTheUsualOne(t *testing.T) {
	r := newRig(t)
	r.start(exclusive("first", r.gate("first")))
	r.began("first")
	cmd, none := exclusive("second", "echo beside"), ""
	cmd.IsolationMutexName = &none
	r.want(r.run(cmd), 0, "beside\n")
	r.letGo("first")
}

func TestTooLittleSpaceIsAnErrorThatPasses(t *testing.T) {
	r := newRig(t, func(c *Config) { c.MinFree = 1 << 61 })
	_, err := r.StartScript(context.Background(), operator, script("a", "echo"))
	if final := (halibut.FinalError{}); err == nil || errors.As(err, &final) {
		t.Errorf("got %v", err)
	}
	r.Store.cfg.MinFree = 1
	r.want(r.run(script("a", "echo now")), 0, "now\n")
}

func TestAFileWithAPasswordIsStoredEncrypted(t *testing.T) {
	r := newRig(t)
	cmd := script("a", "head -c 4 secret; echo; wc -c < secret")
	password := "open sesame"
	cmd.Files = []tentacle.ScriptFile{{Name: "secret", Contents: halibut.NewDataStreamBytes([]byte("0123456789abcdef")), EncryptionPassword: &password}}
	r.want(r.run(cmd), 0, "IV__\n52\n")
	if diff := cmp.Diff("", grep(t, r.cfg.Home, password)+grep(t, r.cfg.Home, "0123456789abcdef")); diff != "" {
		t.Errorf("found in clear: %s", diff)
	}
}

// grep returns the files below dir that hold text.
func grep(t *testing.T, dir, text string) (found string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.Contains(content(path), text) {
			found += path + "\n"
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestWhoIsNoLongerAllowedIsRefusedWhenTheTurnComes(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.Allowed = func(s policy.Start) (int64, error) {
			if s.Turn {
				return 0, errors.New("no longer trusted")
			}
			return 0, nil
		}
	})
	r.want(r.run(script("a", "echo")), tentacle.ExitRefused, "! The script is refused: no longer trusted\n")
}

func TestASupervisorThatCannotBeStarted(t *testing.T) {
	for _, program := range []string{"/does/not/exist", "/bin/true"} {
		r := newRig(t, func(c *Config) { c.Supervisor = []string{program} })
		got := r.run(script("a", "echo"))
		if got.ExitCode != tentacle.ExitLaunchFailed || !strings.HasPrefix(lines(got.Logs), "! The script could not be started: ") {
			t.Errorf("%s: got %+v", program, got)
		}
	}
}

func TestOldTombstonesAndForgottenScriptsAreSwept(t *testing.T) {
	r := newRig(t)
	path, note := r.marker("ran")
	r.run(script("old", note))
	r.run(script("forgotten", note))
	r.completeScript("old")
	r.cfg.FinishedAge = time.Nanosecond
	r.restart() // sweeps the forgotten one
	r.want(r.status("forgotten", 0), tentacle.ExitUnknownScript, "")
	r.want(r.start(script("forgotten", note)), tentacle.ExitAlreadyCompleted, "! already completed, exit code 0\n")
	r.cfg.TombstoneAge = time.Nanosecond
	r.restart()
	r.want(r.run(script("old", note)), 0, "")
	if got := content(path); got != "ran\nran\nran\n" {
		t.Errorf("ran %q", got)
	}
}

func TestSplitArguments(t *testing.T) {
	tests := map[string]struct {
		line string
		want []string
	}{
		"nothing":                         {" \t ", nil},
		"words":                           {"a  b\tc", []string{"a", "b", "c"}},
		"quotes join":                     {`a" b "c d`, []string{"a b c", "d"}},
		"an empty argument":               {`a "" b`, []string{"a", "", "b"}},
		"two quotes in quotes are one":    {`"a""b" c`, []string{`a"b`, "c"}},
		"backslashes are themselves":      {`\a\\b \`, []string{`\a\\b`, `\`}},
		"a backslash escapes a quote":     {`\"a\" b`, []string{`"a"`, "b"}},
		"two backslashes before a quote":  {`"a\\" b`, []string{`a\`, "b"}},
		"three backslashes and a quote":   {`"a\\\" b"`, []string{`a\" b`}},
		"an open quote lasts to the end":  {`a "b c`, []string{"a", "b c"}},
		"a single quote is no quote here": {`'a b'`, []string{"'a", "b'"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, tentacle.SplitArguments([]string{test.line})); diff != "" {
				t.Error(diff)
			}
		})
	}
}
