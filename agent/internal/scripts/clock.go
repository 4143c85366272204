package scripts

import (
	"time"

	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/agent/internal/uptime"
)

// A machine without a clock of its own boots in 1970 or at its last shutdown, and its time is set later, maybe while scripts run:
// what they left seems to be years old then. So nothing counts as older than the last such step.
const (
	clockFile = "clock"
	// clockStep is how much further the clock must go than the machine has run to be called a step.
	clockStep = time.Hour
	// clockGap is how long a machine may have been off before the same is said of its clock.
	clockGap = 7 * 24 * time.Hour
)

// clockState is the file of the clock.
type clockState struct {
	Version int            `json:"version"`
	Wall    time.Time      `json:"wall"`
	Run     uptime.Reading `json:"run"`
	// Floor is the last step; what was made before is counted from there.
	Floor time.Time `json:"floor"`
}

// next is the state at a later reading of both clocks.
func (c clockState) next(wall time.Time, run uptime.Reading) clockState {
	n := clockState{Version: process.Version, Wall: wall, Run: run, Floor: c.Floor}
	passed, known := run.Since(c.Run)
	went := wall.Sub(c.Wall)
	switch {
	case c.Wall.IsZero():
	case known && went-passed > clockStep, !known && went-run.Up > clockGap:
		n.Floor = wall
	}
	return n
}

// age is how old something is that was made at a time by the clock.
func (c clockState) age(made time.Time) time.Duration {
	if made.Before(c.Floor) {
		made = c.Floor
	}
	return c.Wall.Sub(made)
}

// readClock looks whether the clock was set since it was last read, and remembers it. It is called by one goroutine at a time.
func (s *Store) readClock() clockState {
	var before clockState
	if _, err := process.ReadState(s.state, clockFile, &before); err != nil {
		s.cfg.Logger.Warn("Reading when the clock was last looked at", "error", err)
	}
	now := before.next(s.cfg.Now(), uptime.Now())
	if !now.Floor.Equal(before.Floor) {
		s.cfg.Logger.Warn("The machine's clock was set; what is kept of scripts is kept longer", "by", now.Wall.Sub(before.Wall).String())
	}
	if err := process.WriteState(s.state, clockFile, now, false); err != nil {
		s.cfg.Logger.Warn("Noting when the clock was looked at", "error", err)
	}
	return now
}
