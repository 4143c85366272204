//go:build unix

package scripts

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

func exclusive(id, body string) tentacle.StartScriptCommandV2 {
	cmd := script(id, body)
	cmd.Isolation = tentacle.FullIsolation
	return cmd
}

// gate is a script that notes that it began, and ends when it is let go.
func (r *rig) gate(id string) string {
	return fmt.Sprintf("touch %q; while [ ! -e %q ]; do sleep 0.01; done", r.inHome("began-"+id), r.inHome("go-"+id))
}

func (r *rig) began(id string) {
	r.t.Helper()
	until(r.t, id+" begins", func() bool { return exists(r.inHome("began-" + id)) })
}

func (r *rig) letGo(id string) {
	r.t.Helper()
	if err := os.WriteFile(r.inHome("go-"+id), nil, 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// waits makes sure that a script is Pending, and says so in its output.
func (r *rig) waits(id string) {
	r.t.Helper()
	until(r.t, id+" says that it waits", func() bool { return len(r.status(id, 0).Logs) == 3 })
	got := r.status(id, 0)
	if got.State != tentacle.Pending || got.Logs[0].Text != "##octopus[stdout-wait]" || got.Logs[2].Text != "##octopus[stdout-default]" {
		r.t.Errorf("%s: state %d, %q", id, got.State, lines(got.Logs))
	}
}

func TestIsolationIsAReaderWriterMutexInOrderOfArrival(t *testing.T) {
	r := newRig(t)
	r.start(script("reader1", r.gate("reader1")))
	r.start(script("reader2", r.gate("reader2")))
	r.began("reader1")
	r.began("reader2")
	r.start(exclusive("writer", r.gate("writer")))
	r.start(script("reader3", r.gate("reader3")))
	r.waits("writer")
	r.waits("reader3") // it does not overtake
	elsewhere := exclusive("elsewhere", "echo other mutex")
	name := "Mantle"
	elsewhere.IsolationMutexName = &name
	r.want(r.run(elsewhere), 0, "other mutex\n")
	r.letGo("reader1")
	r.await("reader1", 0)
	if exists(r.inHome("began-writer")) {
		t.Error("the writer began beside a reader")
	}
	r.letGo("reader2")
	r.began("writer")
	if exists(r.inHome("began-reader3")) {
		t.Error("a reader began beside the writer")
	}
	r.letGo("writer")
	r.began("reader3")
	r.letGo("reader3")
	if got := r.await("reader3", 3); got.ExitCode != 0 || len(got.Logs) != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestTheMutexIsKeptAcrossARestart(t *testing.T) {
	r := newRig(t)
	r.start(exclusive("first", r.gate("first")))
	r.began("first")
	for i := range 4 {
		r.start(exclusive(fmt.Sprint("next", i), fmt.Sprintf("echo %d >> %q", i, r.inHome("order"))))
	}
	r.waits("next0")
	r.restart()
	r.waits("next0")
	if exists(r.inHome("order")) {
		t.Error("one began beside the script that holds the mutex")
	}
	r.letGo("first")
	r.want(r.await("first", 0), 0, "")
	for i := range 4 {
		if got := r.await(fmt.Sprint("next", i), 3); got.ExitCode != 0 {
			t.Errorf("got %+v", got)
		}
	}
	if got := content(r.inHome("order")); got != "0\n1\n2\n3\n" {
		t.Errorf("order %q", got)
	}
}

func TestTheWaitForTheMutexEnds(t *testing.T) {
	r := newRig(t)
	r.start(exclusive("first", r.gate("first")))
	r.began("first")
	cmd := exclusive("late", "echo never")
	cmd.ScriptIsolationMutexTimeout = halibut.TimeSpan(2 * time.Second)
	r.start(cmd)
	got := r.await("late", 0)
	if text := lines(got.Logs); got.ExitCode != tentacle.ExitTimeout || !strings.HasSuffix(text, "##octopus[stdout-default]\nScript execution timed out.\n") {
		t.Errorf("%d, %q", got.ExitCode, text)
	}
	r.start(exclusive("gone", "echo never"))
	r.cancelScript("gone")
	if got := r.await("gone", 0); got.ExitCode != tentacle.ExitCanceled || !strings.HasSuffix(lines(got.Logs), "! The script was cancelled before it began.\n") {
		t.Errorf("%+v", got)
	}
	r.restart()
	if got := r.status("late", 0); got.ExitCode != tentacle.ExitTimeout {
		t.Errorf("after a restart %+v", got)
	}
	if got := r.status("gone", 0); got.ExitCode != tentacle.ExitCanceled {
		t.Errorf("after a restart %+v", got)
	}
	r.letGo("first")
	r.want(r.await("first", 0), 0, "")
}

func TestOutputOfAnySize(t *testing.T) {
	r := newRig(t)
	got := r.run(script("a", `printf 'a\xff\xe2\x82b\r10%%\r\nlast'; head -c 10000000 /dev/zero | tr '\0' x >&2`))
	var out []string
	size := 0
	for _, l := range got.Logs {
		if l.Source == tentacle.StdOut {
			out = append(out, l.Text)
		} else {
			size += len(l.Text)
		}
	}
	if strings.Join(out, "|") != "a\ufffd\ufffdb|10%|last" || size != 10_000_000 {
		t.Errorf("stdout %q, stderr %d bytes", out, size)
	}
}

func TestAResponseHoldsALimitedAmountAndTheNextOneTheRest(t *testing.T) {
	r := newRig(t, func(c *Config) { c.MaxStatus = 4 << 20 })
	r.run(script("a", "for i in $(seq 100000); do echo line $i; done; exit 5"))
	want, after := 1, int64(0)
	for range 10 {
		got := r.status("a", after)
		size := 0
		for _, l := range got.Logs {
			if l.Text != fmt.Sprint("line ", want) {
				t.Fatalf("%q in the place of line %d", l.Text, want)
			}
			want++
			size += len(l.Text) + 64
		}
		if size > 4<<20 {
			t.Errorf("a response of %d bytes", size)
		}
		if got.NextLogSequence != int64(want-1) && got.State != tentacle.Complete {
			t.Errorf("the next sequence is %d after %d lines", got.NextLogSequence, want-1)
		}
		after = got.NextLogSequence
		if got.State == tentacle.Complete {
			if got.ExitCode != 5 || want != 100001 {
				t.Errorf("Complete with %d after %d lines", got.ExitCode, want-1)
			}
			break
		}
		if got.State != tentacle.Running || got.ExitCode != 0 {
			t.Errorf("state %d, exit code %d where more is to come", got.State, got.ExitCode)
		}
	}
	if got := r.status("a", 200000); got.State != tentacle.Complete || got.NextLogSequence != 200000 || len(got.Logs) != 0 {
		t.Errorf("behind the end: %+v", got)
	}
	if got := r.status("a", 99999); len(got.Logs) != 1 || got.Logs[0].Text != "line 100000" {
		t.Errorf("the last line: %+v", got)
	}
}

func TestOfALargeOutputTheBeginningAndTheEndAreKept(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Output.Segment, c.Output.Head, c.Output.Tail = 1<<10, 10<<10, 5<<10 })
	r.run(script("a", "for i in $(seq 10000); do echo $i; done"))
	got := r.status("a", 0)
	text := lines(got.Logs)
	if !strings.HasPrefix(text, "1\n2\n3\n") || !strings.HasSuffix(text, "9999\n10000\n") || strings.Count(text, "! [") != 1 || got.NextLogSequence != 10001 {
		t.Errorf("next %d, %q", got.NextLogSequence, text)
	}
}

func TestAWaitAnswersSoonAfterTheFirstLineAndAtOnceAfterTheLast(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Settle = 2 * time.Second })
	r.start(script("a", r.gate("a")+"; echo first; echo second; "+r.gate("b")))
	r.began("a")
	wait := func(after int64) (tentacle.ScriptStatusResponseV2, time.Duration) {
		before := time.Now()
		got, err := r.WaitForStatus(context.Background(), operator, tentacle.WaitForStatusCommandV1{
			Ticket: tentacle.ScriptTicket{TaskID: "a"}, LastLogSequence: after, MaxWait: halibut.TimeSpan(20 * time.Second),
		})
		if err != nil {
			t.Fatal(err)
		}
		return got, time.Since(before)
	}
	until(t, "Running", func() bool { return r.status("a", 0).State == tentacle.Running })
	r.letGo("a")
	got, took := wait(0)
	if lines(got.Logs) != "first\nsecond\n" || took > 5*time.Second || got.State != tentacle.Running {
		t.Errorf("after %s: %+v", took, got)
	}
	r.letGo("b")
	got, took = wait(got.NextLogSequence)
	if got.State != tentacle.Complete || took > 5*time.Second {
		t.Errorf("after %s: %+v", took, got)
	}
	if _, took = wait(2); took > time.Second {
		t.Errorf("a Complete ticket is told after %s", took)
	}
}
