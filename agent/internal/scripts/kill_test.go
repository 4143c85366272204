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
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// killSeed names the variable that gives the seed of an earlier run.
const killSeed = "MANTLE_KILL_SEED"

// seeded returns a source of instants, whose seed it logs.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano()) // #nosec G115 -- any number will do
	if given := os.Getenv(killSeed); given != "" {
		seed, _ = strconv.ParseUint(given, 10, 64)
	}
	t.Logf("seed: %s=%d", killSeed, seed)
	return rand.New(rand.NewPCG(seed, 0)) // #nosec G404 -- instants, not secrets
}

// daemonMain is a daemon that starts a script for each ticket that it reads from its input, until it is
// killed. It says when it is ready and which start is answered.
func daemonMain(home string) int {
	c := testConfig(home)
	c.Engine, c.Env = []string{os.Args[0], "step"}, []string{step.EnvTentacleHome + "=" + home}
	s, err := Open(c)
	if err != nil {
		fmt.Println("failed:", err)
		return 1
	}
	fmt.Println("ready")
	var all sync.WaitGroup
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		id := in.Text()
		all.Go(func() {
			if _, err := s.StartScript(context.Background(), operator, crashScript(home, id)); err != nil {
				fmt.Println("failed:", err)
				return
			}
			fmt.Println("answered", id)
		})
	}
	all.Wait()
	<-s.life.Done() // what is started goes on until it is killed
	return 0
}

// crashScript is a script, or a step where the ticket's name says so. One of three waits for others.
func crashScript(home, id string) (cmd tentacle.StartScriptCommandV2) {
	body := fmt.Sprintf("echo ran >> %q/ran-%s; sleep 0.0$((RANDOM %% 5)); ", home, id)
	if strings.HasPrefix(id, "step") {
		c, err := step.Command(step.Plan{Ticket: id, Kind: step.KindRun, Namespace: "n", Environment: "e", Project: "p", RunUID: "u", Step: "s",
			Run: &step.Run{Shell: step.Bash, Script: body + "echo whole; echo done"}}, []string{"hunter2"})
		if err != nil {
			panic(err)
		}
		cmd = c
	} else {
		cmd = script(id, body+"cat file; echo done")
		cmd.Isolation = tentacle.FullIsolation
		cmd.Files = []tentacle.ScriptFile{{Name: "file", Contents: halibut.NewDataStreamBytes([]byte("whole\n"))}}
	}
	if n, _ := strconv.Atoi(id[len(id)-1:]); n%3 > 0 {
		cmd.IsolationMutexName = &id
	}
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

// crash starts scripts in a daemon of their own, one after the other, and kills that daemon meanwhile. It returns those
// whose start was answered.
func crash(t *testing.T, home string, ids []string, random *rand.Rand) map[string]bool {
	t.Helper()
	cmd := exec.Command(os.Args[0], "daemon", home) // #nosec G204 -- this test itself
	in, lines := startDaemon(t, cmd)
	for _, id := range ids {
		if _, err := io.WriteString(in, id+"\n"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(random.IntN(3_000)) * time.Microsecond) // the instant of a start, not a wait for something
	}
	time.Sleep(time.Duration(random.IntN(12_000)) * time.Microsecond) // the instant of the kill, not a wait for something
	_ = cmd.Process.Kill()
	answered := map[string]bool{}
	for lines.Scan() {
		id, found := strings.CutPrefix(lines.Text(), "answered ")
		if !found {
			t.Fatalf("the daemon said %q", lines.Text())
		}
		answered[id] = true
	}
	_ = cmd.Wait()
	return answered
}

// A daemon is killed while ten scripts arrive, wait, begin and run: 500 scripts, each of them at another instant of its life.
func TestADaemonKilledAtAnyInstantRunsAScriptAtMostOnce(t *testing.T) {
	const kills, scripts = 50, 10
	random := seeded(t)
	r := stepRig(t, func(c *Config) { c.Notice = time.Hour })
	var mu sync.Mutex
	counts := map[string]int{}
	for i := range kills {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		ids := make([]string, scripts)
		for n := range ids {
			ids[n] = fmt.Sprint([]string{"crash", "step"}[random.IntN(2)], i, "-", n)
		}
		answered := crash(t, r.cfg.Home, ids, random)
		r.open()
		var all sync.WaitGroup
		for _, id := range ids {
			all.Go(func() {
				fate := r.afterTheKill(id, answered[id])
				mu.Lock()
				defer mu.Unlock()
				counts[fate]++
			})
		}
		all.Wait()
		if t.Failed() {
			break
		}
	}
	t.Log(counts)
}

// afterTheKill follows a script to its end as an operator does who does not know whether its start arrived.
func (r *rig) afterTheKill(id string, answered bool) (fate string) {
	r.mu.Lock()
	known := r.known[id] != nil
	r.mu.Unlock()
	if answered && !known {
		r.t.Errorf("%s was answered and is forgotten", id)
	}
	got := r.await(id, 0)
	ran := content(r.inHome("ran-" + id))
	fate = "answered"
	if !answered {
		fate = "received"
	}
	if !known && got.ExitCode == tentacle.ExitUnknownScript && ran == "" {
		fate = "not received"
		got = r.run(crashScript(r.cfg.Home, id)) // as an operator does
		ran = content(r.inHome("ran-" + id))
	}
	if got.ExitCode != 0 || ran != "ran\n" || lines(told(got).Logs) != "whole\ndone\n" {
		r.t.Errorf("%s: known %v, exit code %d, output %q, ran %q", id, known, got.ExitCode, lines(got.Logs), ran)
	}
	r.want(told(r.start(crashScript(r.cfg.Home, id))), 0, "whole\ndone\n")
	r.completeScript(id)
	if got := r.start(crashScript(r.cfg.Home, id)); got.ExitCode != tentacle.ExitAlreadyCompleted {
		r.t.Errorf("%s is completed and answers %+v", id, got)
	}
	if again := content(r.inHome("ran-" + id)); again != "ran\n" {
		r.t.Errorf("%s ran %q", id, again)
	}
	return fate
}

// Whenever the supervisor of a step is killed, the step runs at most once, and its ticket is not over before its script is.
func TestASupervisorKilledAtAnyInstantLeavesNoScriptBehind(t *testing.T) {
	const kills, atOnce = 500, 10
	random := seeded(t)
	r := stepRig(t)
	var mu sync.Mutex
	codes := map[int32]int{}
	slots := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i := range kills {
		instant := time.Duration(random.IntN(60_000)) * time.Microsecond
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			code := r.killSupervisor(fmt.Sprint("step", i), instant)
			mu.Lock()
			defer mu.Unlock()
			codes[code]++
		})
	}
	all.Wait()
	t.Logf("exit codes and how many had them: %v", codes)
	if codes[tentacle.ExitLost] == 0 {
		t.Error("no script was lost: the kills missed")
	}
}

// killSupervisor starts a step, kills its supervisor an instant later, or as soon as there is one, and returns how the step ended.
func (r *rig) killSupervisor(id string, instant time.Duration) int32 {
	cmd := bashStep(r.t, id, fmt.Sprintf("echo $$ >> %q; sleep 0.0$((RANDOM %% 4)); sleep 0.0$((RANDOM %% 4))", r.inHome("ran-"+id)))
	cmd.IsolationMutexName = &id
	r.start(cmd)
	kill := time.Now().Add(instant)
	dir := r.inHome(".tentacle", "tickets", id)
	var started process.Started
	until(r.t, "a supervisor", func() bool {
		found, _ := process.ReadState(dir, process.StartedFile, &started)
		return found
	})
	time.Sleep(time.Until(kill)) // the instant of the kill, not a wait for something
	if held, err := process.Held(dir); err == nil && held && !process.Marked(dir, process.ResultFile) {
		_ = syscall.Kill(started.Process, syscall.SIGKILL)
	}
	got := r.await(id, 0)
	if got.ExitCode != 0 && got.ExitCode != tentacle.ExitLost {
		r.t.Errorf("%s: exit code %d, %s", id, got.ExitCode, lines(got.Logs))
	}
	ran := strings.Fields(content(r.inHome("ran-" + id)))
	if len(ran) > 1 || got.ExitCode == 0 && len(ran) == 0 {
		r.t.Errorf("%s ended with %d and ran %d times", id, got.ExitCode, len(ran))
	}
	for _, pid := range ran {
		if n, err := strconv.Atoi(pid); err != nil || alive(n) {
			r.t.Errorf("%s is over, and its script %s goes on (%v)", id, pid, err)
		}
	}
	r.completeScript(id)
	return got.ExitCode
}
