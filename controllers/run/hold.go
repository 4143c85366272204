package run

import (
	"errors"
	"fmt"
	"time"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/plan"
)

// How long an action may fail to begin before it ends as failed: its target may be in the midst of a step, and keeps the
// run from ending until then. A run that is superseded keeps another one waiting.
const (
	heldFor           = time.Hour
	heldForSuperseded = time.Minute
)

// hold notes since when an action cannot begin, and gives the error that ends it where that is too long.
func (l *live) hold(f facts, k plan.Key, err error) error {
	var never *endError
	if errors.As(err, &never) {
		return err
	}
	took := f.Now.Sub(l.noteHeld(k, f.Now))
	if took < heldAtMost(f.Stop) {
		return err
	}
	reason := v1alpha1.ReasonNotPrepared
	var wait *waitError
	if errors.As(err, &wait) {
		reason = wait.Reason
	}
	return &endError{reason, fmt.Errorf("it could not begin for %s: %w", took.Round(time.Second), err)}
}

// noteHeld notes that an action could not begin, and tells since when.
func (l *live) noteHeld(k plan.Key, now time.Time) time.Time {
	if _, held := l.held[k]; !held {
		l.held[k] = now
	}
	return l.held[k]
}

func heldAtMost(stop plan.Stop) time.Duration {
	if stop == plan.Supersede {
		return heldForSuperseded
	}
	return heldFor
}

// firstHeld keeps the first of the reasons for which starts wait, and the shortest pause.
func firstHeld(before obstacle, start plan.Start, err error, most time.Duration) obstacle {
	o := waitFor(v1alpha1.ReasonNotPrepared, "%s cannot begin on %s yet: %v", start.Step, start.Target, err)
	var wait *waitError
	if errors.As(err, &wait) {
		o = wait.obstacle
	}
	if o.Again == 0 {
		o.Again = retryPrepare
	}
	o.Again = min(o.Again, most)
	if before.Phase == "" {
		return o
	}
	before.Again = min(before.Again, o.Again)
	return before
}
