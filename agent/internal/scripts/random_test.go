//go:build unix

package scripts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// TestAnythingAtOnceRunsAScriptAtMostOnce has operators start, ask, wait for, cancel and complete the same tickets at the
// same time, and restarts the Store in between. MANTLE_RANDOM_SEED repeats a run.
func TestAnythingAtOnceRunsAScriptAtMostOnce(t *testing.T) {
	seed := uint64(time.Now().UnixNano()) // #nosec G115 -- any number will do
	if given := os.Getenv("MANTLE_RANDOM_SEED"); given != "" {
		seed, _ = strconv.ParseUint(given, 10, 64)
	}
	t.Logf("seed: MANTLE_RANDOM_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0)) // #nosec G404 -- a test
	r := newRig(t, func(c *Config) { c.Grace, c.Settle, c.SweepPause = time.Second, 5*time.Millisecond, time.Nanosecond })
	const rounds, tickets, callers = 15, 4, 8
	for round := range rounds {
		var all sync.WaitGroup
		for range callers {
			own := rand.New(rand.NewPCG(random.Uint64(), 0)) // #nosec G404 -- a test
			all.Go(func() {
				for range 12 {
					n := own.IntN(tickets)
					r.anything(own, fmt.Sprintf("t%d-%d", round, n), n)
				}
			})
		}
		all.Wait()
		if random.IntN(2) == 0 {
			r.restart()
		}
	}
	endings := map[int32]int{}
	for round := range rounds {
		for n := range tickets {
			endings[r.ending(fmt.Sprintf("t%d-%d", round, n))]++
		}
	}
	t.Logf("exit codes and how many had them: %v", endings)
}

// randomScript notes that it runs, prints, and ends at once or after a while.
func (r *rig) randomScript(id string, n int) tentacle.StartScriptCommandV2 {
	cmd := script(id, fmt.Sprintf("echo %s >> %q; echo one; sleep 0.0%d; echo two", id, r.inHome("ran"), n*3))
	if n%2 == 1 {
		cmd.Isolation = tentacle.FullIsolation
	}
	return cmd
}

// anything makes one call, and looks whether its answer can be true.
func (r *rig) anything(random *rand.Rand, id string, n int) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	k, after := tentacle.ScriptTicket{TaskID: id}, int64(random.IntN(3))
	var got tentacle.ScriptStatusResponseV2
	var err error
	call := random.IntN(40)
	switch {
	case call < 16:
		got, err = r.StartScript(ctx, operator, r.randomScript(id, n))
	case call < 24:
		got, err = r.GetStatus(ctx, operator, tentacle.ScriptStatusRequestV2{Ticket: k, LastLogSequence: after})
	case call < 37:
		got, err = r.WaitForStatus(ctx, operator, tentacle.WaitForStatusCommandV1{Ticket: k, LastLogSequence: after, MaxWait: halibut.TimeSpan(time.Duration(random.IntN(50)) * time.Millisecond)})
	case call < 39:
		got, err = r.CancelScript(ctx, operator, tentacle.CancelScriptCommandV2{Ticket: k, LastLogSequence: after})
	default:
		err = r.CompleteScript(ctx, operator, tentacle.CompleteScriptCommandV2{Ticket: k})
	}
	if err != nil {
		r.t.Errorf("%s: call %d: %v", id, call, err)
	}
	switch {
	case got.State != tentacle.Complete && got.ExitCode != 0:
		r.t.Errorf("%s: call %d: exit code %d before the end", id, call, got.ExitCode)
	case got.ExitCode < 0 && got.ExitCode != tentacle.ExitCanceled && got.ExitCode != tentacle.ExitUnknownScript && got.ExitCode != tentacle.ExitAlreadyCompleted:
		r.t.Errorf("%s: call %d: %+v", id, call, got)
	}
}

// ending starts a ticket that may have had any fate and returns how it ended. What is said of it must agree with
// how often it ran, now and after a restart.
func (r *rig) ending(id string) int32 {
	r.t.Helper()
	n, _ := strconv.Atoi(id[strings.IndexByte(id, '-')+1:])
	got := r.start(r.randomScript(id, n))
	if got.ExitCode != tentacle.ExitAlreadyCompleted && got.ExitCode != tentacle.ExitCanceled {
		got = r.await(id, 0)
	}
	ran := strings.Count("\n"+content(r.inHome("ran")), "\n"+id+"\n")
	out, _ := text(got.Logs)
	switch got.ExitCode {
	case 0:
		if ran != 1 || len(out) < 2 || out[len(out)-2] != "one" || out[len(out)-1] != "two" {
			r.t.Errorf("%s: it succeeded, ran %d times and printed %q", id, ran, out)
		}
	case tentacle.ExitCanceled, tentacle.ExitAlreadyCompleted:
		if ran > 1 {
			r.t.Errorf("%s: it ran %d times", id, ran)
		}
	default:
		r.t.Errorf("%s: %+v", id, got)
	}
	return got.ExitCode
}

func TestOutputOfAScriptOfAnEarlierDaemonComesWhileItRuns(t *testing.T) {
	r := newRig(t)
	r.start(script("a", "echo one; "+r.gate("a")+"; echo two; "+r.gate("b")+"; echo three"))
	r.began("a")
	r.restart()
	r.letGo("a")
	var seen []tentacle.ProcessOutput
	for after, deadline := int64(0), time.Now().Add(patience); len(seen) < 2 && time.Now().Before(deadline); {
		got, err := r.WaitForStatus(context.Background(), operator, tentacle.WaitForStatusCommandV1{Ticket: tentacle.ScriptTicket{TaskID: "a"}, LastLogSequence: after, MaxWait: halibut.TimeSpan(patience)})
		if err != nil || got.State != tentacle.Running {
			t.Fatalf("%+v, %v", got, err)
		}
		seen, after = append(seen, got.Logs...), got.NextLogSequence
	}
	if lines(seen) != "one\ntwo\n" {
		t.Errorf("while it runs it has printed %q", lines(seen))
	}
	r.letGo("b")
	r.want(r.await("a", 2), 0, "three\n")
}

// TestACancelBesideAStartIsNeverLost cancels a ticket while its start arrives. Whichever comes first, the script does
// not run to its end as if nobody had cancelled it.
func TestACancelBesideAStartIsNeverLost(t *testing.T) {
	r := newRig(t)
	before, beside := 0, 0
	for i := range 64 {
		id := fmt.Sprint("t", i)
		var both sync.WaitGroup
		both.Go(func() {
			time.Sleep(time.Duration(i%8) * 50 * time.Microsecond) // the instant of the start, not a wait
			if _, err := r.StartScript(context.Background(), operator, script(id, "sleep 300")); err != nil {
				t.Error(err)
			}
		})
		var got tentacle.ScriptStatusResponseV2
		both.Go(func() {
			time.Sleep(time.Duration(i/8) * 50 * time.Microsecond) // the instant of the cancel, not a wait
			var err error
			got, err = r.CancelScript(context.Background(), operator, tentacle.CancelScriptCommandV2{Ticket: tentacle.ScriptTicket{TaskID: id}})
			if err != nil {
				t.Error(err)
			}
		})
		both.Wait()
		if got.ExitCode == tentacle.ExitUnknownScript {
			before++
			r.want(r.start(script(id, "sleep 300")), tentacle.ExitCanceled, "! The script was cancelled before it arrived.\n")
			continue
		}
		beside++
		if end := r.await(id, 0); end.ExitCode != tentacle.ExitCanceled {
			t.Fatalf("%s: %+v", id, end)
		}
	}
	t.Logf("%d cancels came before their start, %d beside it", before, beside)
}

// TestAWaitForWhatIsNeverRecordedEnds waits for a ticket whose files are being written and then refused.
func TestAWaitForWhatIsNeverRecordedEnds(t *testing.T) {
	r := newRig(t)
	pipe, write := io.Pipe()
	cmd := script("a", "echo")
	cmd.Files = []tentacle.ScriptFile{{Name: "slow", Contents: halibut.NewDataStream(1<<20, func() (io.ReadCloser, error) { return pipe, nil })}}
	failed := make(chan error, 1)
	go func() {
		_, err := r.StartScript(context.Background(), operator, cmd)
		failed <- err
	}()
	until(t, "the ticket is known", func() bool { return r.status("a", 0).State == tentacle.Pending })
	answered := make(chan tentacle.ScriptStatusResponseV2, 1)
	go func() {
		got, _ := r.WaitForStatus(context.Background(), operator, tentacle.WaitForStatusCommandV1{Ticket: tentacle.ScriptTicket{TaskID: "a"}, MaxWait: halibut.TimeSpan(time.Hour)})
		answered <- got
	}()
	_ = write.CloseWithError(errors.New("the disk broke"))
	if err := <-failed; err == nil || !strings.Contains(err.Error(), "the disk broke") {
		t.Errorf("the start gives %v", err)
	}
	select {
	case got := <-answered:
		if got.State != tentacle.Complete || got.ExitCode != tentacle.ExitUnknownScript {
			t.Errorf("%+v", got)
		}
	case <-time.After(patience):
		t.Error("the wait goes on")
	}
}
