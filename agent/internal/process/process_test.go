//go:build unix

package process

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mantledeploy/mantle/agent/internal/process/output"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// TestMain is also the supervisor of the tests.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "supervise" {
		os.Exit(Supervise(os.Args[2], nil))
	}
	os.Exit(m.Run())
}

// folder makes the folder of a ticket that runs body.
func folder(t *testing.T, body string) string {
	t.Helper()
	dir := t.TempDir()
	spec := Spec{Path: "/bin/bash", Args: []string{"-c", body}, Dir: dir, Grace: time.Second, Abandon: 20 * time.Second, Drain: 10 * time.Second}
	rewrite(t, dir, spec)
	if err := os.WriteFile(filepath.Join(dir, ClaimFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// rewrite makes the ticket file of a ticket anew.
func rewrite(t *testing.T, dir string, spec Spec) {
	t.Helper()
	_ = os.Remove(TicketFile(dir))
	if err := WriteTicket(dir, map[string]any{"version": Version, "process": spec}); err != nil {
		t.Fatal(err)
	}
}

func launch(t *testing.T, dir string) *Supervisor {
	t.Helper()
	s, err := Launch([]string{os.Args[0], "supervise"}, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// end waits until a supervisor has exited.
func end(t *testing.T, s *Supervisor) {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case _, open := <-s.Notes():
			if !open {
				return
			}
		case <-timeout:
			t.Fatal("the supervisor does not end")
		}
	}
}

func look(t *testing.T, dir string) Sight {
	t.Helper()
	sight, err := Look(dir)
	if err != nil {
		t.Fatal(err)
	}
	return sight
}

func TestOfManySupervisorsOneRunsTheScript(t *testing.T) {
	for range 5 {
		dir := folder(t, "echo ran >> ran; sleep 0.05; exit 6")
		var all sync.WaitGroup
		for range 6 {
			s := launch(t, dir)
			all.Go(func() { end(t, s) })
		}
		all.Wait()
		if sight := look(t, dir); sight.State != Finished || sight.Result.ExitCode != 6 {
			t.Errorf("%+v", sight)
		}
		ran, err := os.ReadFile(filepath.Join(dir, "ran")) // #nosec G304 -- a file of the test
		if err != nil || string(ran) != "ran\n" {
			t.Errorf("ran %q, %v", ran, err)
		}
	}
}

func TestADecisionAndASupervisorNeverBothWin(t *testing.T) {
	decided, ran := 0, 0
	for i := range 40 {
		dir := folder(t, "touch ran")
		s := launch(t, dir)
		time.Sleep(time.Duration(i) * 150 * time.Microsecond) // the instant of the decision, not a wait for something
		_, won, err := Decide(dir, Result{ExitCode: tentacle.ExitCanceled})
		if err != nil {
			t.Fatal(err)
		}
		end(t, s)
		_, err = os.Stat(filepath.Join(dir, "ran"))
		if won == (err == nil) {
			t.Fatalf("decided %v, and the script's file: %v", won, err)
		}
		want := int32(0)
		if won {
			decided++
			want = tentacle.ExitCanceled
		} else {
			ran++
		}
		if sight := look(t, dir); sight.State != Finished || sight.Result.ExitCode != want {
			t.Fatalf("%+v", sight)
		}
	}
	t.Logf("decided %d, ran %d", decided, ran)
}

func TestACancelFoundAfterTheClaimRunsNothing(t *testing.T) {
	dir := folder(t, "touch ran")
	if err := Mark(dir, CancelFile); err != nil {
		t.Fatal(err)
	}
	end(t, launch(t, dir))
	sight := look(t, dir)
	if sight.State != Finished || sight.Result.ExitCode != tentacle.ExitCanceled {
		t.Errorf("%+v", sight)
	}
	if _, err := os.Stat(filepath.Join(dir, "ran")); err == nil {
		t.Error("it ran")
	}
}

func TestAProgramThatIsMissing(t *testing.T) {
	dir := folder(t, "")
	spec := Spec{Path: "/bin/no-such-shell", Dir: dir}
	rewrite(t, dir, spec)
	end(t, launch(t, dir))
	if sight := look(t, dir); sight.State != Finished || sight.Result.ExitCode != tentacle.ExitLaunchFailed || !strings.Contains(sight.Result.Line, "/bin/no-such-shell") {
		t.Errorf("%+v", sight)
	}
}

func TestTheScriptHasNothingOfItsSupervisor(t *testing.T) {
	dir := folder(t, `echo "in $(readlink /proc/self/fd/0)"; ls /proc/$$/fd > list; tr "\n" " " < list; echo; env | grep -c MANTLE_SUPERVISOR; echo $(ps -o pgid= -p $$) $$; tr '\0' '\n' < /proc/$PPID/cmdline | tail -n +2`)
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip("there is no /proc here")
	}
	end(t, launch(t, dir))
	reader := output.NewReader(dir, 0)
	entries, _, err := reader.Read(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Text)
	}
	if len(got) > 3 {
		pair := strings.Fields(got[3])
		if len(pair) == 2 && pair[0] == pair[1] {
			got[3] = "a group of its own"
		}
	}
	want := []string{"in /dev/null", "0 1 2 ", "0", "a group of its own", "supervise", dir}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAFileOfANewerVersionIsNotMisread(t *testing.T) {
	for _, name := range []string{StartedFile, ResultFile} {
		dir := folder(t, "touch ran")
		if err := os.WriteFile(filepath.Join(dir, name), []byte(`{"version":2}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Look(dir); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}

// immortal is a script that nothing can end.
type immortal struct{ kills int }

func (i *immortal) terminate()       {}
func (i *immortal) kill()            { i.kills++ }
func (i *immortal) survivors() []int { return []int{4711, 4712} }
func (i *immortal) release()         {}
func (i *immortal) killLeft() []int  { return nil }

func TestWhatCannotBeEndedIsAbandoned(t *testing.T) {
	group := &immortal{}
	s := &supervision{spec: Spec{Grace: 20 * time.Millisecond, Abandon: 500 * time.Millisecond}, group: group, exited: make(chan struct{}), drained: make(chan struct{})}
	got := s.cancel()
	if got.ExitCode != tentacle.ExitAbandoned || !strings.Contains(got.Line, "4711 4712") || group.kills < 2 {
		t.Errorf("%+v after %d kills", got, group.kills)
	}
}

func TestASessionLeftBehindIsEnded(t *testing.T) {
	cmd := exec.Command("/bin/bash", "-c", "sleep 300 & echo $!; exec sleep 300")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	child := bufio.NewScanner(out)
	child.Scan()
	leader := cmd.Process.Pid
	started := Started{Version: Version, Boot: bootID(), Process: leader, StartTime: startTime(leader)}
	elsewhere := started
	elsewhere.Boot = "another boot"
	if found, _ := EndSession(elsewhere, time.Second); found != nil {
		t.Errorf("after a restart of the machine it ends %v", found)
	}
	found, left := EndSession(started, 5*time.Second)
	if len(found) != 2 || len(left) != 0 {
		t.Errorf("found %v, left %v; the child is %s", found, left, child.Text())
	}
	_ = cmd.Wait()
}

func TestAResultHasRoomBeforeTheScriptRuns(t *testing.T) {
	dir := t.TempDir()
	file, err := allocate(dir)
	if err != nil {
		t.Fatal(err)
	}
	var stat syscall.Stat_t
	if err := syscall.Fstat(int(file.Fd()), &stat); err != nil || stat.Blocks*512 < resultSize { // #nosec G115 -- descriptors are small
		t.Errorf("%d blocks, %v", stat.Blocks, err)
	}
	longest := Result{Version: Version, ExitCode: tentacle.ExitAbandoned, Line: fmt.Sprint(bounded(make([]int, 1000))), Ended: time.Now()}
	data, err := json.Marshal(longest)
	if err != nil {
		t.Fatal(err)
	}
	if err := fill(file, data); err != nil {
		t.Error(err)
	}
}
