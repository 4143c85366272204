//go:build unix

package process

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/tentacle"
)

func TestWhoeverMakesStartedDecidesAndItIsWhole(t *testing.T) {
	dir := folder(t, "touch ran")
	decided, won, err := Decide(dir, Result{ExitCode: tentacle.ExitTimeout})
	if err != nil || !won || decided.ExitCode != tentacle.ExitTimeout {
		t.Fatalf("%+v, %v, %v", decided, won, err)
	}
	if _, won, err := Decide(dir, Result{ExitCode: tentacle.ExitCanceled}); won || err != nil {
		t.Errorf("a second decision: %v, %v", won, err)
	}
	if made, err := begin(dir, Started{Version: Version}, true); made || !errors.Is(err, fs.ErrExist) {
		t.Errorf("a claim after the decision: %v, %v", made, err)
	}
	if sight := look(t, dir); sight.State != Finished || sight.Result.ExitCode != tentacle.ExitTimeout {
		t.Errorf("%+v", sight)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}

func TestASupervisorThatCannotClaimTellsWhyAndLeavesTheTicketAsItWas(t *testing.T) {
	dir := folder(t, "touch ran")
	if err := os.Mkdir(filepath.Join(dir, "."+ResultFile+".new"), 0o700); err != nil { // in the place of the result's file
		t.Fatal(err)
	}
	s := launch(t, dir)
	end(t, s)
	if !strings.Contains(s.Reason(), "making room for the result") {
		t.Errorf("it says %q", s.Reason())
	}
	if sight := look(t, dir); sight.State != Unclaimed {
		t.Errorf("%+v", sight)
	}
}

// TestASupervisorWhoseDaemonIsGoneClaimsNothing holds a supervisor back at the claim's lock until the daemon
// that launched it listens no more.
func TestASupervisorWhoseDaemonIsGoneClaimsNothing(t *testing.T) {
	dir := folder(t, "touch ran")
	gate := filepath.Join(t.TempDir(), "gate")
	if err := syscall.Mkfifo(gate, 0o600); err != nil {
		t.Fatal(err)
	}
	held := []string{"/bin/bash", "-c", `read -r _ <"$0"; exec "$@"`, gate, os.Args[0], "supervise"} // a supervisor that comes late
	s, err := Launch(held, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(gate, os.O_WRONLY, 0) // #nosec G304 -- opens when the shell reads
	if err != nil {
		t.Fatal(err)
	}
	s.Release()
	end(t, s) // the pipe is closed
	if err := pipe.Close(); err != nil {
		t.Fatal(err)
	}
	if s.wait(); s.cmd.ProcessState.ExitCode() != exitUnclaimed {
		t.Errorf("it ended with %s", s.cmd.ProcessState)
	}
	if sight := look(t, dir); sight.State != Unclaimed {
		t.Errorf("%+v", sight)
	}
	if _, err := os.Stat(filepath.Join(dir, "ran")); err == nil {
		t.Error("it ran")
	}
}

func TestAResultWhoseLineIsTooLongLosesOnlyItsEnd(t *testing.T) {
	for _, line := range []string{strings.Repeat("x", 100_000), strings.Repeat("\x01ü", 5000)} {
		dir := t.TempDir()
		file, err := allocate(dir)
		if err != nil {
			t.Fatal(err)
		}
		data, err := encode(Result{Version: Version, ExitCode: -42, Line: line, Ended: time.Now()})
		if err == nil {
			err = fill(file, data)
		}
		if err == nil {
			err = os.Rename(file.Name(), filepath.Join(dir, ResultFile))
		}
		var got Result
		if found, readErr := ReadState(dir, ResultFile, &got); err != nil || !found || got.ExitCode != -42 || !strings.HasPrefix(line, strings.TrimSuffix(got.Line, " …")) || len(got.Line) < 500 {
			t.Errorf("%v, %v, %d, %d bytes", err, readErr, got.ExitCode, len(got.Line))
		}
	}
}

// escape is a script whose children leave its group and its session in every way, and write their ids.
const escape = `
note() { echo "$BASHPID" > "$1.new"; mv "$1.new" "$1"; }
export -f note
(note a; exec sleep 300) &
setsid bash -c 'note b; exec sleep 300' &
(setsid bash -c '(note c; exec sleep 300) & exit' &)
setsid bash -c "trap '' TERM HUP; note d; while :; do sleep 0.05; done" > /dev/null 2>&1 &
`

// pids waits for the ids of escape's children.
func pids(t *testing.T, dir string) (ids []int) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for _, name := range []string{"a", "b", "c", "d"} {
		for {
			data, err := os.ReadFile(filepath.Join(dir, name)) // #nosec G304 -- a file of the test
			id, bad := strconv.Atoi(strings.TrimSpace(string(data)))
			if err == nil && bad == nil {
				ids = append(ids, id)
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s does not run", name)
			}
			time.Sleep(5 * time.Millisecond) // a poll
		}
	}
	return ids
}

// lives says whether a process does more than wait to be asked after.
func lives(id int) bool {
	for _, m := range allProcesses() {
		if m.id == id {
			return !m.dead
		}
	}
	return false
}

func TestACancelEndsWhatLeftTheSession(t *testing.T) {
	if !adopts() {
		t.Skip("this system cannot adopt orphans: what leaves the session and loses its parent is out of reach")
	}
	dir := folder(t, escape+"wait")
	s := launch(t, dir)
	ids := pids(t, dir)
	if err := Mark(dir, CancelFile); err != nil {
		t.Fatal(err)
	}
	if err := Wake(dir); err != nil {
		t.Fatal(err)
	}
	end(t, s)
	if sight := look(t, dir); sight.State != Finished || sight.Result.ExitCode != tentacle.ExitCanceled {
		t.Errorf("%+v", sight)
	}
	for i, id := range ids {
		if lives(id) {
			t.Errorf("%c, process %d, lives", 'a'+i, id)
			_ = syscall.Kill(id, syscall.SIGKILL)
		}
	}
}

func TestWhatLeftTheSessionOfAScriptThatEndedByItselfGoesOn(t *testing.T) {
	dir := folder(t, "exec > /dev/null 2>&1"+escape+"until [ -e d ] && [ -e c ] && [ -e b ] && [ -e a ]; do sleep 0.01; done; exit 5")
	s := launch(t, dir)
	ids := pids(t, dir)
	end(t, s)
	if sight := look(t, dir); sight.State != Finished || sight.Result.ExitCode != 5 {
		t.Errorf("%+v", sight)
	}
	for i, id := range ids {
		if !lives(id) {
			t.Errorf("%c, process %d, was ended", 'a'+i, id)
		}
		_ = syscall.Kill(id, syscall.SIGKILL)
	}
}

// TestOrphansOfALongScriptLeaveNoCorpses sees that the supervisor asks after those whom it adopted.
func TestOrphansOfALongScriptLeaveNoCorpses(t *testing.T) {
	dir := folder(t, "for i in $(seq 50); do (true & ); done; touch all; until [ -e go ]; do sleep 0.02; done")
	s := launch(t, dir)
	deadline := time.Now().Add(30 * time.Second)
	for corpses := -1; corpses != 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d corpses", corpses)
		}
		if _, err := os.Stat(filepath.Join(dir, "all")); err != nil {
			continue
		}
		corpses = 0
		for _, m := range allProcesses() {
			if m.parent == s.cmd.Process.Pid && m.dead {
				corpses++
			}
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	end(t, s)
}

// A daemon that is stopped or swapped out reads no notes, and its pipe fills up. That the script has ended must reach it
// all the same, while something that the script left behind still holds its output.
func TestTheEndOfAScriptIsToldThroughAFullPipe(t *testing.T) {
	dir := folder(t, "sleep 300 & echo $! > child; exit 3")
	ours, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	if err := makeClaim(dir); err != nil {
		t.Fatal(err)
	}
	raw := int(theirs.Fd()) // #nosec G115 -- descriptors are small
	if err := syscall.SetNonblock(raw, true); err != nil {
		t.Fatal(err)
	}
	for n := 1; n > 0; {
		n, _ = syscall.Write(raw, []byte(strings.Repeat("o", 4096)))
	}
	cmd := exec.Command(os.Args[0], "supervise", dir)
	cmd.Env, cmd.ExtraFiles = append(os.Environ(), notifyVariable+"=1"), []*os.File{theirs}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = theirs.Close()
	for deadline := time.Now().Add(30 * time.Second); !Marked(dir, ResultFile); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the script does not end")
		}
	}
	if err := ours.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, ours); err != nil {
		t.Errorf("the daemon is not told: %v", err)
	}
	child, err := os.ReadFile(filepath.Join(dir, "child")) // #nosec G304 -- a file of the test
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(child)))
	if err != nil || syscall.Kill(pid, syscall.SIGKILL) != nil {
		t.Errorf("what the script left running does not live: %v", err)
	}
	_ = cmd.Wait()
}
