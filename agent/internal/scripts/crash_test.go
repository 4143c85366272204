//go:build unix

package scripts

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// daemonMain is a daemon that starts a script for each ticket that it reads from its input, until it is
// killed. It says when it is ready and when a start is answered.
func daemonMain(home string) int {
	c := testConfig(home)
	c.Engine, c.Env = []string{os.Args[0], "step"}, []string{step.EnvTentacleHome + "=" + home}
	s, err := Open(c)
	if err != nil {
		fmt.Println("failed:", err)
		return 1
	}
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if _, err := s.StartScript(context.Background(), operator, crashScript(home, in.Text())); err != nil {
			fmt.Println("failed:", err)
			return 1
		}
		fmt.Println("answered")
	}
	return 0
}

// crashScript is a script, or a step where the ticket's name says so.
func crashScript(home, id string) tentacle.StartScriptCommandV2 {
	if strings.HasPrefix(id, "step") {
		c, err := step.Command(step.Plan{Ticket: id, Kind: step.KindRun, Namespace: "n", Environment: "e", Project: "p", RunUID: "u", Step: "s",
			Run: &step.Run{Shell: step.Bash, Script: fmt.Sprintf("echo ran >> %q/ran-%s; sleep 0.0$((RANDOM %% 5)); echo whole; echo done", home, id)}}, []string{"hunter2"})
		if err != nil {
			panic(err)
		}
		return c
	}
	cmd := script(id, fmt.Sprintf("echo ran >> %q/ran-%s; sleep 0.0$((RANDOM %% 5)); cat file; echo done", home, id))
	cmd.Isolation = tentacle.FullIsolation
	cmd.Files = []tentacle.ScriptFile{{Name: "file", Contents: halibut.NewDataStreamBytes([]byte("whole\n"))}}
	return cmd
}

// startDaemon starts a daemon of the test's, and waits until it is ready.
func startDaemon(t *testing.T, cmd *exec.Cmd) (in io.WriteCloser, said *bufio.Scanner) {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said = bufio.NewScanner(out)
	if !said.Scan() || said.Text() != "ready" {
		t.Fatalf("the daemon said %q", said.Text())
	}
	return in, said
}

// crash starts a script in a daemon of its own and kills that daemon after a while. It says whether the
// start was answered.
func crash(t *testing.T, home, id string, after time.Duration) bool {
	t.Helper()
	cmd := exec.Command(os.Args[0], "daemon", home) // #nosec G204 -- this test itself
	in, lines := startDaemon(t, cmd)
	if _, err := io.WriteString(in, id+"\n"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(after) // the instant of the kill, not a wait for something
	_ = cmd.Process.Kill()
	answered := false
	for lines.Scan() {
		if lines.Text() != "answered" {
			t.Fatalf("the daemon said %q", lines.Text())
		}
		answered = true
	}
	_ = cmd.Wait()
	return answered
}

func TestADaemonKilledAroundAStartRunsItAtMostOnce(t *testing.T) {
	seed := uint64(time.Now().UnixNano()) // #nosec G115 -- any number will do
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0)) // #nosec G404 -- instants, not secrets
	r := stepRig(t)
	counts := map[string]int{}
	for i := range 80 {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		id := fmt.Sprint([]string{"crash", "step"}[i%2], i)
		answered := crash(t, r.cfg.Home, id, time.Duration(random.IntN(12_000))*time.Microsecond)
		r.open()
		known := r.known[id] != nil
		if answered && !known {
			t.Fatalf("%s was answered and is forgotten", id)
		}
		got := r.await(id, 0)
		ran := content(r.inHome("ran-" + id))
		if !known && got.ExitCode == tentacle.ExitUnknownScript && ran == "" {
			counts["not received"]++
			got = r.run(crashScript(r.cfg.Home, id)) // as an operator does
			ran = content(r.inHome("ran-" + id))
		}
		if got.ExitCode != 0 || ran != "ran\n" || lines(told(got).Logs) != "whole\ndone\n" {
			t.Fatalf("%s: known %v, exit code %d, output %q, ran %q", id, known, got.ExitCode, lines(got.Logs), ran)
		}
		counts["done"]++
		r.want(told(r.start(crashScript(r.cfg.Home, id))), 0, "whole\ndone\n")
		if again := content(r.inHome("ran-" + id)); again != "ran\n" {
			t.Fatalf("%s ran %q", id, again)
		}
		if answered {
			counts["answered"]++
		}
	}
	t.Log(counts)
}

// Whenever the supervisor of a step is killed, the step runs at most once, and its ticket is not over before its script is.
func TestASupervisorKilledAtAnyInstantLeavesNoScriptBehind(t *testing.T) {
	seed := uint64(time.Now().UnixNano()) // #nosec G115 -- any number will do
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0)) // #nosec G404 -- instants, not secrets
	r := stepRig(t)
	codes := map[int32]int{}
	for i := range 80 {
		id := fmt.Sprint("step", i)
		r.start(bashStep(t, id, fmt.Sprintf("echo $$ >> %q; sleep 0.0$((RANDOM %% 4)); sleep 0.0$((RANDOM %% 4))", r.inHome("ran-"+id))))
		instant := time.Now().Add(time.Duration(random.IntN(60_000)) * time.Microsecond)
		var started process.Started
		for found := false; !found; {
			found, _ = process.ReadState(r.inHome(".tentacle", "tickets", id), process.StartedFile, &started)
		}
		time.Sleep(time.Until(instant)) // the instant of the kill, not a wait for something
		if process.Marked(r.inHome(".tentacle", "tickets", id), process.ResultFile) {
			codes[0]++
			continue
		}
		if held, err := process.Held(r.inHome(".tentacle", "tickets", id)); err == nil && held {
			_ = syscall.Kill(started.Process, syscall.SIGKILL)
		}
		got := r.await(id, 0)
		codes[got.ExitCode]++
		if got.ExitCode != 0 && got.ExitCode != tentacle.ExitLost {
			t.Errorf("%s: exit code %d, %s", id, got.ExitCode, lines(got.Logs))
		}
		ran := strings.Fields(content(r.inHome("ran-" + id)))
		if len(ran) > 1 {
			t.Errorf("%s ran %d times", id, len(ran))
		}
		for _, pid := range ran {
			if n, err := strconv.Atoi(pid); err != nil || alive(n) {
				t.Errorf("%s is over, and its script %s goes on (%v)", id, pid, err)
			}
		}
	}
	t.Logf("exit codes and how many had them: %v", codes)
}

func TestAScriptGoesOnWithoutItsDaemon(t *testing.T) {
	r := newRig(t)
	r.start(script("a", "echo one; "+r.gate("a")+"; echo two; exit 4"))
	r.began("a")
	r.restart()
	got := r.status("a", 0)
	if got.State != tentacle.Running {
		t.Errorf("after a restart: %+v", got)
	}
	r.letGo("a")
	r.want(r.await("a", 0), 4, "one\ntwo\n")
}

func TestACancelReachesAScriptOfAnEarlierDaemon(t *testing.T) {
	r := newRig(t)
	r.start(script("a", r.pidFile("$$", "self")+"exec sleep 300"))
	self := r.pid("self")
	r.restart()
	r.cancelScript("a")
	r.want(r.await("a", 0), tentacle.ExitCanceled, "")
	if alive(self) {
		t.Error("it lives")
	}
}

// found makes the folder of a ticket as an earlier daemon would have left it, and returns what a new one
// says of it.
func (r *rig) found(files map[string]string) tentacle.ScriptStatusResponseV2 {
	r.t.Helper()
	_, note := r.marker("ran")
	r.start(exclusive("holder", r.gate("holder")))
	r.began("holder")
	r.start(exclusive("a", note+"echo done"))
	if err := r.Close(); err != nil {
		r.t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(r.inHome(".tentacle", "tickets", "a", name), []byte(text), 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
	r.open()
	r.letGo("holder")
	return r.await("a", 0)
}

func TestWhatANewDaemonFinds(t *testing.T) {
	const reboot = `{"version":1,"boot":"another boot","process":4000000,"startTime":"1"}`
	tests := map[string]struct {
		files map[string]string
		code  int32
		says  string
		runs  bool
	}{
		"nothing has begun":             {nil, 0, "done\n", true},
		"a cancel that came first":      {map[string]string{process.CancelFile: ""}, tentacle.ExitCanceled, "! The script was cancelled before it began.\n", false},
		"begun before a restart":        {map[string]string{process.StartedFile: reboot}, tentacle.ExitLost, "reboot", false},
		"begun, and nothing is known":   {map[string]string{process.StartedFile: ""}, tentacle.ExitLost, "! Lost: the script's supervisor", false},
		"a result goes before all else": {map[string]string{process.StartedFile: reboot, process.ResultFile: `{"version":1,"exitCode":9,"ended":"2999-01-01T00:00:00Z"}`}, 9, "", false},
		"a result cut by a power cut":   {map[string]string{process.StartedFile: reboot, process.ResultFile: "\x00\x00\x00"}, tentacle.ExitLost, "reboot", false},
		"output cut by a power cut":     {map[string]string{process.ResultFile: `{"version":1,"exitCode":0,"entries":9,"ended":"2999-01-01T00:00:00Z"}`}, 0, "[the last 9 lines", false},
		"a command that nobody reads":   {map[string]string{process.CommandFile: "{"}, tentacle.ExitLost, "journal cannot be read", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(c *Config) { c.Notice = time.Hour })
			got := r.found(test.files)
			if got.ExitCode != test.code || !strings.Contains(lines(got.Logs), test.says) {
				t.Errorf("%d, %q", got.ExitCode, lines(got.Logs))
			}
			if exists(r.inHome("ran")) != test.runs {
				t.Errorf("it ran: %v", !test.runs)
			}
			r.completeScript("a")
			r.restart()
			want := tentacle.ExitAlreadyCompleted
			if test.files[process.CommandFile] != "" {
				want = tentacle.ExitLost // nobody knows whose it was, so it is not this operator's to complete
			}
			if got := r.start(exclusive("a", "echo")); got.ExitCode != want {
				t.Errorf("after its completion: %+v", got)
			}
		})
	}
}

func TestAnotherSessionOfTheSameNumberIsLeftAlone(t *testing.T) {
	other := exec.Command("/bin/sleep", "300")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer other.Wait()         //nolint:errcheck // it is killed
	defer other.Process.Kill() //nolint:errcheck // the end of the test
	r := newRig(t, func(c *Config) { c.Notice = time.Hour })
	got := r.found(map[string]string{process.StartedFile: fmt.Sprintf(`{"version":1,"process":%d,"startTime":"1"}`, other.Process.Pid)})
	if got.ExitCode != tentacle.ExitLost || !alive(other.Process.Pid) {
		t.Errorf("%+v; the other is alive: %v", got, alive(other.Process.Pid))
	}
}

func TestFoldersWithoutACommandAreSweptAndTombstonesWin(t *testing.T) {
	r := newRig(t)
	r.run(script("Done", "echo"))
	r.completeScript("Done")
	for _, dir := range []string{"Half", "Done"} {
		for _, path := range []string{r.inHome("Work", dir), r.inHome(".tentacle", "tickets", strings.ToLower(dir))} {
			if err := os.MkdirAll(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.restart()
	for _, dir := range []string{r.inHome("Work"), r.inHome(".tentacle", "tickets")} {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s holds %v, %v", dir, left, err)
		}
	}
	r.want(r.run(script("Half", "echo fresh")), 0, "fresh\n")
}
