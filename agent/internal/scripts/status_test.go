//go:build unix

package scripts

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/tentacle"
)

func (r *rig) timedStatus(id string, after int64) (got tentacle.ScriptStatusResponseV2, took time.Duration) {
	r.t.Helper()
	begun := time.Now()
	got = r.status(id, after)
	return got, time.Since(begun)
}

// Octopus's client sleeps longer after each answer, so GetStatus answers when there is something to say.
func TestAStatusWaitsForNewsOfAScriptThatRuns(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Hold = patience })
	r.start(script("a", "echo first; "+r.gate("a")+"\necho last; exit 3"))
	until(t, "the first line is there", func() bool { return len(r.status("a", 0).Logs) == 1 })
	if got, took := r.timedStatus("a", 0); len(got.Logs) != 1 || took > patience/2 {
		t.Errorf("with news: %+v after %s", got, took)
	}
	answers := make(chan tentacle.ScriptStatusResponseV2, 1)
	go func() {
		got, err := r.GetStatus(context.Background(), operator, tentacle.ScriptStatusRequestV2{Ticket: tentacle.ScriptTicket{TaskID: "a"}, LastLogSequence: 1})
		if err != nil {
			t.Error(err)
		}
		answers <- got
	}()
	select {
	case got := <-answers:
		t.Errorf("without news: %+v", got)
	case <-time.After(200 * time.Millisecond): // what must not come
	}
	r.letGo("a")
	got := <-answers
	if len(got.Logs) == 0 || got.Logs[0].Text != "last" {
		t.Errorf("at the end: %+v", got)
	}
	r.await("a", 0)
	if got, took := r.timedStatus("a", 2); got.State != tentacle.Complete || got.ExitCode != 3 || took > patience/2 {
		t.Errorf("after the end: %+v after %s", got, took)
	}
}

// People look for the end of a script in a log. One that never began says why instead, and a step's engine says more.
func TestTheEndOfAScriptIsTold(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Engine = []string{"/bin/true"} })
	r.run(script("a", "echo out; exit 7"))
	want := "The script ended with exit code 7. It was run by /bin/bash in " + r.inHome("Work", "a") + "."
	ask := func(id string, after int64) tentacle.ScriptStatusResponseV2 {
		got, err := r.GetStatus(context.Background(), operator, tentacle.ScriptStatusRequestV2{Ticket: tentacle.ScriptTicket{TaskID: id}, LastLogSequence: after})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for range 2 {
		for after := range int64(2) {
			got := ask("a", after)
			if last := got.Logs[len(got.Logs)-1]; last.Source != tentacle.Debug || last.Text != want || len(got.Logs) != 2-int(after) || got.NextLogSequence != 2 {
				t.Errorf("after %d: %+v", after, got)
			}
		}
		if got := ask("a", 2); len(got.Logs) > 0 || got.State != tentacle.Complete {
			t.Errorf("after the end: %+v", got)
		}
		r.restart()
	}
	r.run(stepCall(t, "step"))
	if got := ask("step", 0); len(got.Logs) > 0 && got.Logs[len(got.Logs)-1].Source == tentacle.Debug {
		t.Errorf("a step: %+v", got)
	}
}

func TestAStatusStopsWaitingWhenItsCallerOrTheDaemonGoes(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Hold = time.Hour })
	r.start(script("a", "sleep 300"))
	until(t, "it runs", func() bool {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		got, err := r.GetStatus(ctx, operator, tentacle.ScriptStatusRequestV2{Ticket: tentacle.ScriptTicket{TaskID: "a"}})
		return err == nil && got.State == tentacle.Running
	})
	r.restart()
	if got := r.cancelScript("a"); got.State == tentacle.Complete {
		t.Errorf("%+v", got)
	}
	if got := r.status("a", 0); got.State != tentacle.Complete {
		t.Errorf("it waited for the end, and then: %+v", got)
	}
}

// What one GetStatus brings is what there is, by script service V1 too.
func TestAStatusHasAllOutput(t *testing.T) {
	r := newRig(t)
	const n = 400_000
	r.run(script("a", "seq 1 400000 | sed 's/$/ "+strings.Repeat("x", 90)+"/'; exit 4"))
	got := r.status("a", 0)
	if len(got.Logs) != n || got.State != tentacle.Complete || got.ExitCode != 4 || got.NextLogSequence != n+1 {
		t.Errorf("%d lines, state %d, exit code %d, next %d", len(got.Logs), got.State, got.ExitCode, got.NextLogSequence)
	}
	id := r.startV1("seq 1 100000; head -c 900000 /dev/zero | tr '\\0' x; echo; echo end")
	r.await(id, 0)
	answer, err := r.GetStatusV1(context.Background(), operator, tentacle.ScriptStatusRequest{Ticket: tentacle.ScriptTicket{TaskID: id}})
	if err != nil {
		t.Fatal(err)
	}
	v2 := tentacle.ScriptStatusResponseV2(answer)
	r.hold(&v2)
	if len(v2.Logs) != 100_002 || len(v2.Logs[100_000].Text) != 900_000 || v2.Logs[100_001].Text != "end" {
		t.Errorf("by V1: %d lines", len(v2.Logs))
	}
}
