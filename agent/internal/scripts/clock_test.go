//go:build unix

package scripts

import (
	"os"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/uptime"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// A machine without a clock of its own runs scripts in 1970, and is told the time then.
func TestWhatWasMadeBeforeTheClockWasSetIsKept(t *testing.T) {
	now := time.Unix(1000, 0)
	r := newRig(t, func(c *Config) {
		c.SweepPause = time.Nanosecond
		c.Now = func() time.Time { return now }
	})
	path, note := r.marker("ran")
	r.run(script("over", note+"echo over"))
	r.completeScript("over")
	r.cancelScript("early")
	r.run(script("nobody fetched it", "echo")) // no ticket, which sweeps nothing
	r.run(script("result", "echo result"))
	old := func(paths ...string) {
		t.Helper()
		for _, p := range paths {
			r.must(os.Chtimes(p, now, now))
		}
	}
	old(r.inHome(".tentacle", "tombstones", "over.json"), r.inHome(".tentacle", "cancelled", "early.json"))
	r.restart()
	now = time.Now().Add(40 * 24 * time.Hour)
	r.completeScript("sweep") // is unknown, and sweeps
	for range 2 {
		r.want(r.start(script("over", note)), tentacle.ExitAlreadyCompleted, "! already completed, exit code 0\n")
		r.want(r.start(script("early", note)), tentacle.ExitCanceled, "! The script was cancelled before it arrived.\n")
		r.want(r.status("result", 0), 0, "result\n")
		r.restart()
	}
	if got := content(path); got != "ran\n" {
		t.Errorf("it ran: %q", got)
	}
	now = now.Add(40 * 24 * time.Hour)
	r.must(os.WriteFile(r.inHome(".tentacle", clockFile), nil, 0o600)) // as if it had run all the time
	r.restart()
	r.want(r.status("result", 0), tentacle.ExitUnknownScript, "")
}

func TestAStepOfTheClock(t *testing.T) {
	wall := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	first := clockState{}.next(wall, uptime.Reading{Boot: "a", Up: time.Minute})
	for name, c := range map[string]struct {
		wall time.Duration
		boot string
		up   time.Duration
		step bool
	}{
		"time passes":             {48 * time.Hour, "a", 48*time.Hour + time.Minute, false},
		"it was set forward":      {48 * time.Hour, "a", 2 * time.Minute, true},
		"it was set back":         {-48 * time.Hour, "a", 2 * time.Minute, false},
		"a restart":               {time.Hour, "b", time.Minute, false},
		"a restart, long after":   {60 * 24 * time.Hour, "b", time.Minute, true},
		"a restart, and long run": {60 * 24 * time.Hour, "b", 59 * 24 * time.Hour, false},
	} {
		n := first.next(wall.Add(c.wall), uptime.Reading{Boot: c.boot, Up: c.up})
		if got := n.Floor.Equal(n.Wall); got != c.step {
			t.Errorf("%s: a step: %v", name, got)
		}
	}
}

// Whoever sets the clock while a script waits for its turn changes nothing of how long it waits.
func TestAChangeOfTheClockEndsNoWait(t *testing.T) {
	waits := &ticket{fresh: true, born: time.Now(), record: record{Arrived: time.Now().Add(-40 * 24 * time.Hour), Timeout: time.Hour}}
	if left := waits.patience(); left < 50*time.Minute {
		t.Errorf("it waits for %s", left)
	}
}
