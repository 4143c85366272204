//go:build unix

package scripts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// cancelBy cancels a ticket that never arrived.
func (r *rig) cancelBy(who, id string) error {
	r.t.Helper()
	got, err := r.CancelScript(context.Background(), who, tentacle.CancelScriptCommandV2{Ticket: tentacle.ScriptTicket{TaskID: id}})
	if err == nil {
		r.want(got, tentacle.ExitUnknownScript, "")
	}
	return err
}

func TestAnOperatorCancelsSoManyTicketsThatNeverArrivedAndNoMore(t *testing.T) {
	r := newRig(t, func(c *Config) { c.MaxCancels = 3 })
	for i := range 3 {
		r.cancelScript(fmt.Sprint("early", i))
		r.cancelScript(fmt.Sprint("early", i)) // is known
	}
	for range 2 {
		err := r.cancelBy(operator, "early3")
		if final := (halibut.FinalError{}); err == nil || errors.As(err, &final) || !strings.Contains(err.Error(), "try again later") {
			t.Errorf("got %v; want an error that may pass", err)
		}
		r.restart()
	}
	if err := r.cancelBy(stranger, "late"); err != nil {
		t.Errorf("another operator: %v", err)
	}
	r.want(r.start(script("early0", "echo")), tentacle.ExitCanceled, "! The script was cancelled before it arrived.\n")
	r.want(r.run(script("early3", "echo runs")), 0, "runs\n")
}

func TestACancelOfWhatNeverArrivedIsForgottenSoonerThanAScript(t *testing.T) {
	r := newRig(t, func(c *Config) { c.MaxCancels, c.CancelledAge, c.SweepPause = 1, time.Nanosecond, time.Nanosecond })
	r.run(script("done", "echo"))
	r.completeScript("done")
	r.cancelScript("early")
	if err := r.cancelBy(operator, "next"); err == nil {
		t.Error("a second one was taken")
	}
	r.cancelScript("next") // as the first was swept
	r.completeScript("nobody")
	r.restart()
	r.want(r.run(script("early", "echo runs")), 0, "runs\n")
	r.want(r.start(script("done", "echo")), tentacle.ExitAlreadyCompleted, "! already completed, exit code 0\n")
}

func TestThousandsOfTombstonesAreSweptAndListed(t *testing.T) {
	const count = 3 * atATime
	r := newRig(t)
	for i := range count {
		file := r.inHome(".tentacle", "tombstones", fmt.Sprintf("t%d.json", i))
		r.put(file, fmt.Sprintf(`{"version":1,"ticket":"t%d","operator":%q,"exitCode":0}`, i, operator))
		at := time.Now().Add(-time.Hour + time.Duration(i)*time.Second)
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
	all, err := View(r.home(), 2)
	if err != nil || len(all) != 2 || all[0].Ticket != fmt.Sprint("t", count-2) || all[1].Ticket != fmt.Sprint("t", count-1) {
		t.Errorf("%+v, %v", all, err)
	}
	r.cfg.TombstoneAge = time.Nanosecond
	r.restart()
	if left, err := os.ReadDir(r.inHome(".tentacle", "tombstones")); err != nil || len(left) > 0 {
		t.Errorf("%d are left, %v", len(left), err)
	}
}
