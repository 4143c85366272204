//go:build unix

package scripts

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/api/tentacle"
)

func (r *rig) home() home.Home {
	r.t.Helper()
	h, err := home.Create(r.cfg.Home)
	if err != nil {
		r.t.Fatal(err)
	}
	return h
}

func (r *rig) seen() map[string]Seen {
	r.t.Helper()
	all, err := View(r.home(), 10)
	if err != nil {
		r.t.Fatal(err)
	}
	byTicket := map[string]Seen{}
	for _, s := range all {
		byTicket[s.Ticket] = s
	}
	return byTicket
}

// files is the state of every file of the home, to find out whether looking changes any.
func files(t *testing.T, dir string) string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err == nil {
			found[path] = fmt.Sprint(path, info.Mode(), info.Size(), info.ModTime())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(slices.Sorted(maps.Values(found)), "\n")
}

func TestAnOnlookerSeesWhatRunsAndWhatRanAndDisturbsNothing(t *testing.T) {
	r := newRig(t)
	goOn := r.inHome("go on")
	r.run(script("Ended", "echo out; echo err >&2; exit 3"))
	r.run(script("done", "exit 4"))
	r.completeScript("done")
	r.cancelScript("never-came")
	long := script("Long", fmt.Sprintf("echo begun; while ! test -e %q; do sleep 0.05; done; echo over", goOn))
	long.Isolation = tentacle.FullIsolation
	r.start(long)
	until(t, "it begins", func() bool { return r.seen()["Long"].State == SeenRunning })
	waiting := script("queued", "true")
	waiting.Isolation = tentacle.FullIsolation
	r.start(waiting)
	until(t, "its output is there", func() bool { return len(r.status("Long", 0).Logs) > 0 })
	until(t, "it says that it waits", func() bool { return len(r.status("queued", 0).Logs) == 3 })

	before := files(t, r.inHome(".tentacle"))
	seen := r.seen()
	for ticket, want := range map[string]struct {
		state string
		code  int32
	}{"Ended": {SeenFinished, 3}, "done": {SeenCompleted, 4}, "Long": {SeenRunning, -1}, "queued": {SeenWaiting, -1}, "never-came": {SeenCompleted, -1}} {
		got := seen[ticket]
		code := int32(-1)
		if got.ExitCode != nil {
			code = *got.ExitCode
		}
		if got.State != want.state || code != want.code || got.Operator != operator || got.Since.IsZero() {
			t.Errorf("%s: %+v, exit code %d; want %s, %d", ticket, got, code, want.state, want.code)
		}
	}
	if seen["Long"].Process == 0 || seen["Long"].Task != "ServerTasks-1" {
		t.Errorf("of the one that runs it sees %+v", seen["Long"])
	}
	log, err := OpenLog(r.home(), "LONG")
	if err != nil {
		t.Fatal(err)
	}
	if lines, more, result, err := log.Next(); err != nil || more || result != nil || len(lines) != 1 || lines[0].Text != "begun" {
		t.Errorf("its log is %v, %v, %v, %v", lines, more, result, err)
	}
	if after := files(t, r.inHome(".tentacle")); after != before {
		t.Errorf("looking changed something:\n%s\n---\n%s", before, after)
	}

	if err := os.WriteFile(goOn, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var rest []string
	var result *process.Result
	until(t, "the log ends", func() bool {
		lines, _, end, err := log.Next()
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			rest = append(rest, line.Text)
		}
		result = end
		return end != nil
	})
	if strings.Join(rest, ";") != "over" || result.ExitCode != 0 {
		t.Errorf("then it is %v and %+v", rest, result)
	}
}

func TestALogThatIsNotThereHasItsReason(t *testing.T) {
	r := newRig(t)
	r.run(script("one", "echo x"))
	log, err := OpenLog(r.home(), "one")
	if err != nil {
		t.Fatal(err)
	}
	r.completeScript("one")
	if _, _, _, err := log.Next(); !errors.Is(err, ErrCompleted) {
		t.Errorf("completed while it was read: %v", err)
	}
	for ticket, want := range map[string]error{"one": ErrCompleted, "two": ErrNoScript, "../one": ErrNoScript, "": ErrNoScript} {
		if _, err := OpenLog(r.home(), ticket); !errors.Is(err, want) {
			t.Errorf("%q: %v", ticket, err)
		}
	}
}

func TestOnlyTheLastCompletedScriptsAreListed(t *testing.T) {
	r := newRig(t)
	for i := range 5 {
		id := fmt.Sprintf("t%d", i)
		r.run(script(id, "true"))
		r.completeScript(id)
	}
	all, err := View(r.home(), 2)
	if err != nil || len(all) != 2 || all[0].Ticket != "t3" || all[1].Ticket != "t4" {
		t.Errorf("%+v, %v", all, err)
	}
	overwritten := filepath.Join(r.inHome(".tentacle", "tickets"), "damaged")
	if err := os.MkdirAll(overwritten, 0o700); err != nil {
		t.Fatal(err)
	}
	if all, err = View(r.home(), 0); err != nil || len(all) != 0 {
		t.Errorf("an empty folder: %+v, %v", all, err)
	}
}
