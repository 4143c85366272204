//go:build unix

package scripts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// tooLargeStarts are starts that ask for a little more than they may, by the field that is named to the operator.
func tooLargeStarts(id string) map[string]tentacle.StartScriptCommandV2 {
	task, mutex, arguments, many := script(id, "echo"), script(id, "echo"), script(id, "echo"), script(id, "echo")
	task.TaskID = strings.Repeat("t", 201)
	name := strings.Repeat("m", 201)
	mutex.IsolationMutexName = &name
	arguments.Arguments = []string{"a", strings.Repeat("b", 128<<10)}
	many.Arguments = make([]string, 128<<10+1)
	files, folders := script(id, "echo"), script(id, "echo")
	files.Files, folders.Files = emptyFiles(1001, "%d"), emptyFiles(501, "%d/x/y")
	return map[string]tentacle.StartScriptCommandV2{
		"TaskId has 201 bytes; at most 200 are allowed":             task,
		"IsolationMutexName has 201 bytes; at most 200 are allowed": mutex,
		"Arguments has 131075 bytes; at most 131072 are allowed":    arguments,
		"Arguments has 131073 bytes; at most 131072 are allowed":    many,
		"Files has 1001 files; at most 1000 are allowed":            files,
		"Files has 1002 folders; at most 1000 are allowed":          folders,
	}
}

// emptyFiles are so many files without content, named by a pattern.
func emptyFiles(n int, pattern string) []tentacle.ScriptFile {
	files := make([]tentacle.ScriptFile, n)
	for i := range files {
		files[i].Name = fmt.Sprintf(pattern, i)
	}
	return files
}

func TestAStartThatAsksForTooMuchIsRefusedAndLeavesNothing(t *testing.T) {
	for why, cmd := range tooLargeStarts("a") {
		r := newRig(t)
		r.want(r.start(cmd), tentacle.ExitBadTicket, "! The script is refused: "+why+"\n")
		r.wantNoFolders()
		r.want(r.run(script("a", "echo later")), 0, "later\n")
	}
}

// wantNoFolders says that nothing is left of any ticket.
func (r *rig) wantNoFolders() {
	r.t.Helper()
	for _, dir := range []string{r.inHome("Work"), r.inHome(".tentacle", "tickets")} {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			r.t.Errorf("%s holds %v, %v", dir, left, err)
		}
	}
}

// Over V1 a refusal is kept, but not what was too large.
func TestAStartOfV1ThatAsksForTooMuchKeepsOnlyItsRefusal(t *testing.T) {
	r := newRig(t)
	task := strings.Repeat("t", 1<<20)
	k, err := r.StartScriptV1(context.Background(), operator, tentacle.StartScriptCommand{ScriptBody: "echo", TaskID: &task, Arguments: []string{task}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		r.want(r.statusV1(k.TaskID), tentacle.ExitBadTicket, "! The script is refused: TaskId has 1048576 bytes; at most 200 are allowed\n")
		r.restart()
	}
	if kept := content(r.ticketFile(strings.ToLower(k.TaskID))); len(kept) > 4<<10 {
		t.Errorf("%d bytes are kept", len(kept))
	}
}

func TestWhatIsAllowedInFullIsKeptAndRuns(t *testing.T) {
	r := newRig(t)
	cmd := exclusive("a", `echo "${#1}"`)
	name := strings.Repeat("m", 200)
	cmd.TaskID, cmd.IsolationMutexName = strings.Repeat("\x01", 200), &name
	cmd.Arguments = []string{strings.Repeat("\x01", 128<<10-1)} // 6 bytes each in the journal
	r.want(r.run(cmd), 0, fmt.Sprintln(128<<10-1))
	r.restart()
	r.want(r.status("a", 0), 0, fmt.Sprintln(128<<10-1))
}

// refusedForNow starts a script that is refused in a way that says that it may pass.
func (r *rig) refusedForNow(id, says string) {
	r.t.Helper()
	got, err := r.StartScript(context.Background(), operator, script(id, "echo"))
	if final := (halibut.FinalError{}); err == nil || errors.As(err, &final) || !strings.Contains(err.Error(), says) {
		r.t.Errorf("got %+v, %v; want an error that may pass and says %q", got, err, says)
	}
}

func TestAnOperatorHasSoManyScriptsOnAMachineAndNoMore(t *testing.T) {
	r := newRig(t, func(c *Config) { c.MaxTickets = 2 })
	r.start(script("first", "sleep 300"))
	r.start(script("second", "sleep 300"))
	const says = "2, which is the most), and none of them has ended"
	r.refusedForNow("third", says)
	r.restart()
	r.refusedForNow("third", says)
	if got := r.start(script("first", "echo")); got.State == tentacle.Complete {
		t.Errorf("one that is known: %+v", got)
	}
	if got, err := r.StartScript(context.Background(), stranger, script("other", "echo")); err != nil || got.ExitCode != 0 {
		t.Errorf("another operator: %+v, %v", got, err)
	}
	task := "ServerTasks-1"
	if _, err := r.StartScriptV1(context.Background(), operator, tentacle.StartScriptCommand{ScriptBody: "echo", TaskID: &task}); err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("over V1: %v", err)
	}
	r.cancelScript("first")
	r.await("first", 0)
	r.want(r.run(script("third", "echo three")), 0, "three\n")
}

// Results that nobody fetches must not keep an operator out.
func TestTheOldestResultThatNobodyFetchedMakesRoom(t *testing.T) {
	r := newRig(t, func(c *Config) { c.MaxTickets = 3 })
	path, note := r.marker("ran")
	r.run(script("first", note))
	r.run(script("second", "echo two"))
	r.start(script("runs", "sleep 300"))
	r.want(r.run(script("third", "echo three")), 0, "three\n")
	r.want(r.start(script("first", note)), tentacle.ExitAlreadyCompleted, "! already completed, exit code 0\n")
	r.want(r.status("second", 0), 0, "two\n")
	r.restart()
	r.want(r.run(script("fourth", "echo four")), 0, "four\n")
	r.want(r.status("second", 0), tentacle.ExitUnknownScript, "")
	r.want(r.status("third", 0), 0, "three\n")
	if got := content(path); got != "ran\n" {
		t.Errorf("it ran: %q", got)
	}
}

func TestACommandThatIsTooLongIsNotRead(t *testing.T) {
	r := newRig(t)
	r.run(script("a", "echo"))
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r.put(r.ticketFile("a"), "tentacle ticket 1\nc\x00\x20\x00\x00\x00\x00\x00\x00"+strings.Repeat(" ", 2<<20))
	r.open()
	if got := r.status("a", 0); got.ExitCode != tentacle.ExitLost || !strings.Contains(lines(got.Logs), "journal cannot be read") {
		t.Errorf("got %+v", got)
	}
}

func TestOfALongPlanThatIsWrongLittleIsKept(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Engine = []string{"/bin/echo"} })
	cmd := stepCall(t, "call")
	plan := strings.Replace(string(planOf(t, cmd)), `"Python"`, `"`+strings.Repeat("P", 3<<20)+`"`, 1)
	cmd.Files[0].Contents = halibut.NewDataStreamBytes([]byte(plan))
	r.run(cmd)
	if kept := content(r.ticketFile("call")); len(kept) > 4<<10 || !strings.Contains(kept, "run.shell: ") {
		t.Errorf("%d bytes are kept: %.200q", len(kept), kept)
	}
}

func planOf(t *testing.T, cmd tentacle.StartScriptCommandV2) []byte {
	t.Helper()
	plan, err := readStream(cmd.Files[0].Contents)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// A refusal that is longer than a journal's file may be would be read by nobody after a restart.
func TestAFileWithALongBadNameIsRefusedInFewWords(t *testing.T) {
	r := newRig(t)
	id := r.startV1("echo", tentacle.ScriptFile{Name: "../" + strings.Repeat("x", 2<<20)})
	for range 2 {
		got := r.statusV1(id)
		if got.ExitCode != tentacle.ExitBadTicket || len(lines(got.Logs)) > 1000 || !strings.Contains(lines(got.Logs), `The file "../xxx`) {
			t.Errorf("exit code %d, %.200q", got.ExitCode, lines(got.Logs))
		}
		r.restart()
	}
}
