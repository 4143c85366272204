//go:build unix

package scripts

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// states are what List tells, by ticket.
func (r *rig) states() map[string]Listed {
	r.t.Helper()
	all, err := List(r.cfg.Home)
	if err != nil {
		r.t.Fatal(err)
	}
	by := map[string]Listed{}
	for _, l := range all {
		by[l.Ticket] = l
	}
	return by
}

func TestScriptsAreListedAndEndedWithoutADaemon(t *testing.T) {
	r := newRig(t)
	r.run(script("Free", "exit 3"))
	r.start(exclusive("Runs", "echo begun; "+r.pidFile("$$", "runs")+"sleep 300"))
	r.start(exclusive("Waits", "touch "+r.inHome("never")))
	child := r.pid("runs")
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	before := r.states()
	if len(before) != 3 || before["Runs"].State != process.Running || before["Runs"].Process <= 1 || before["Runs"].Operator != operator ||
		before["Waits"].State != process.Unclaimed || before["Free"].State != process.Finished || before["Free"].Result.ExitCode != 3 {
		t.Errorf("listed %+v", before)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ended, err := End(ctx, r.cfg.Home)
	if err != nil || len(ended) != 2 {
		t.Fatalf("ended %+v, %v", ended, err)
	}
	if alive(child) {
		t.Error("the script lives")
	}
	r.open()
	r.want(r.status("Runs", 0), tentacle.ExitCanceled, "begun\n")
	if got := r.await("waits", 0); got.ExitCode != tentacle.ExitCanceled {
		t.Errorf("who waited ended with %d", got.ExitCode)
	}
	if _, err := os.Stat(r.inHome("never")); !os.IsNotExist(err) {
		t.Errorf("who waited ran: %v", err)
	}
	r.want(r.status("Free", 0), 3, "")
}

func TestEndSaysWhatItCouldNotEndInTime(t *testing.T) {
	r := newRig(t)
	r.start(script("deaf", "trap '' TERM; "+r.pidFile("$$", "deaf")+"while :; do sleep 0.1; done"))
	r.pid("deaf")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := End(ctx, r.cfg.Home); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v; want that the time is over", err)
	}
	if got := r.await("deaf", 0); got.ExitCode != tentacle.ExitCanceled { // it was asked, and ends all the same
		t.Errorf("exit code %d", got.ExitCode)
	}
}

func TestAHomeWithoutScriptsHasNone(t *testing.T) {
	if all, err := List(filepath.Join(t.TempDir(), "home")); err != nil || len(all) > 0 {
		t.Errorf("%v, %v", all, err)
	}
}
