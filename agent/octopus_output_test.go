//go:build linux

package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
)

// quietVariable says how long scripts are quiet before they print, as a duration.
const quietVariable = "TENTACLE_TEST_QUIET"

const (
	lastLineAfter  = 2500 * time.Millisecond
	pauseMayTake   = time.Second // beside the answers, on a machine that is slow to send and to read them
	answersMayCost = 48 << 20
	unreadMayCost  = 128 << 20
)

// octopusServer starts a daemon, and is an Octopus Server that it trusts.
func octopusServer(t *testing.T) (c *tentacletest.OctopusClient, p *running, built bool) {
	t.Helper()
	home := filepath.Join(t.TempDir(), "home")
	certificate, thumbprint := tentacletest.NewCertificate(t, "Octopus Server")
	e := initialise(t, home, thumbprint)
	run := command(context.Background(), "run", "--home", home)
	built = shipped(run)
	p = launch(t, run, home+".log", e)
	c = (&tentacletest.Operator{Identity: certificate, Tentacle: e}).NewOctopusClient(t.TempDir())
	t.Cleanup(c.Close)
	return c, p, built
}

// TestOctopusHasTheLastLineSoonAfterTheEnd has scripts print much at their end, while Octopus's client asks ever more seldom.
func TestOctopusHasTheLastLineSoonAfterTheEnd(t *testing.T) {
	quiet, err := time.ParseDuration(cmp.Or(os.Getenv(quietVariable), "8s"))
	if err != nil {
		t.Fatalf("%s: %v", quietVariable, err)
	}
	c, p, built := octopusServer(t)
	before := memory(t, p.cmd.Process.Pid, "VmHWM")
	for _, mb := range []int{5, 20, 45} {
		t.Run(fmt.Sprint(mb, " MB"), func(t *testing.T) {
			ended := filepath.Join(t.TempDir(), "ended")
			line := strings.Repeat("x", 92)
			n := mb * 10_000 // of 100 bytes
			script := fmt.Sprintf("sleep %f; seq -f '%%07.0f'%s 1 %d; date +%%s%%N > %s", quiet.Seconds(), line, n, ended)
			o, err := c.Run(t.Context(), tentacle.StartScriptCommandV2{ScriptTicket: ticket(fmt.Sprint("mb", mb)), ScriptBody: script, TaskID: "ServerTasks-1"})
			if err != nil || o.ExitCode != 0 || len(o.Answers) == 0 {
				t.Fatalf("exit code %d, %v", o.ExitCode, err)
			}
			said := func(l tentacle.ProcessOutput) bool { return l.Source == tentacle.Debug } // by the Tentacle itself
			logs := slices.DeleteFunc(o.Logs(), said)
			for i, l := range logs {
				if !strings.HasPrefix(l.Text, fmt.Sprintf("%07d", i+1)) {
					t.Fatalf("line %d is %q", i+1, l.Text)
				}
			}
			content, err := os.ReadFile(ended)
			if err != nil {
				t.Fatal(err)
			}
			at, err := strconv.ParseInt(strings.TrimSpace(string(content)), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			last := o.Answers[len(o.Answers)-1]
			end := time.Unix(0, at)
			late, answering := last.At.Sub(end), time.Duration(0)
			for _, a := range o.Answers {
				answering += max(0, min(a.Took, a.At.Sub(end)))
			}
			t.Logf("LastLine: of %d MB, %d lines, after %s without a word, Octopus's client had the last %s after the end, by %d answers; it asked %d times, and the last answer took %s",
				mb, len(logs), quiet, late.Round(time.Millisecond), len(o.Answers), o.Polls, last.Took.Round(time.Millisecond))
			if len(logs) != n || late > max(lastLineAfter, pauseMayTake+answering) {
				t.Errorf("%d of %d lines, the last %s after the end", len(logs), n, late)
			}
		})
	}
	if cost := (memory(t, p.cmd.Process.Pid, "VmHWM") - before) << 10; built && cost > answersMayCost {
		t.Errorf("answers cost the daemon %d MB", cost>>20)
	} else {
		t.Logf("LastLine: the daemon's memory grew by %d MB at its peak", cost>>20)
	}
}

// TestAnswersThatNobodyReadsHaveABudget asks on many connections for much output and reads none: the daemon's memory stays bounded,
// and others are answered.
func TestAnswersThatNobodyReadsHaveABudget(t *testing.T) {
	c, p, built := octopusServer(t)
	pid := p.cmd.Process.Pid
	command := tentacle.StartScriptCommandV2{ScriptTicket: ticket("much"), ScriptBody: "head -c 30000000 /dev/urandom | base64", TaskID: "ServerTasks-1"}
	o := operator(t, c.Tentacle, c.Identity)
	startScript(t, o, "much", command.ScriptBody)
	eventually(t, "the script has ended", func() bool {
		r, err := o.GetStatus(t.Context(), tentacle.ScriptStatusRequestV2{Ticket: ticket("much"), LastLogSequence: 1 << 40})
		return err == nil && r.State == tentacle.Complete
	})
	before := memory(t, pid, "VmHWM")
	end, err := c.HearNothing(t.Context(), 60, ticket("much"))
	defer end()
	if err != nil {
		t.Fatal(err)
	}
	r, err := o.GetStatus(t.Context(), tentacle.ScriptStatusRequestV2{Ticket: ticket("much")})
	if err != nil || len(r.Logs) == 0 {
		t.Errorf("one who reads: %d lines, %v", len(r.Logs), err)
	}
	cost := (memory(t, pid, "VmHWM") - before) << 10
	t.Logf("LastLine: 60 answers of 40 MB that nobody reads cost the daemon %d MB", cost>>20)
	if built && cost > unreadMayCost {
		t.Errorf("they cost the daemon %d MB", cost>>20)
	}
}
