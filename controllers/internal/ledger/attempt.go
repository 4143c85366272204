package ledger

import (
	"fmt"
	"time"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// State is how far an attempt is, from the decision to the acknowledged result. An attempt only moves forward.
type State int

// The states of an attempt, in order. The package documentation shows the legal moves.
const (
	// Planned attempts exist only in this process.
	Planned State = iota
	// Recorded attempts are written as Running in a slice, so that any leader asks the machine about them.
	Recorded
	// Dispatched attempts were handed to the dispatcher by this process.
	Dispatched
	// Ended attempts have a result that is not written yet.
	Ended
	// Stored attempts have a result that is written in a slice.
	Stored
	// Acknowledged attempts are finished: their machine was told that the result is written, or cannot be told.
	Acknowledged
	// Trying attempts were handed to the dispatcher to connect to their machine, and no slice tells of them.
	Trying
)

// String returns the name of the state.
func (s State) String() string {
	return [...]string{"Planned", "Recorded", "Dispatched", "Ended", "Stored", "Acknowledged", "Trying"}[s]
}

// next are the states that an attempt can move to. An attempt that was never dispatched can end too: its target may be
// deleted, or it may never be prepared.
var next = map[State][]State{ //nolint:gochecknoglobals // a constant table
	Planned:    {Recorded, Trying, Ended},
	Trying:     {Ended},
	Recorded:   {Dispatched, Ended},
	Dispatched: {Ended},
	Ended:      {Stored},
	Stored:     {Acknowledged},
}

// Attempt is one attempt of one action: the content of its row in a slice, and what this process knows in addition.
// Package plan reads it; only this package's methods change its state.
type Attempt struct {
	// Number of the attempt, from 1; 0 if an action ended at its turn without one.
	Number int32
	// Phase is Running, or how the attempt ended.
	Phase v1alpha1.StepPhase
	// Sent is true once the script was sent to the machine, or may have been.
	Sent bool
	// Reason and Message say what a running attempt waits for, or why one did not succeed.
	Reason, Message string
	ExitCode        *int32
	// StartTime is when it was written as Running, EndTime when its end was known.
	StartTime, EndTime time.Time
	// NextTime is when the next attempt begins, Answered the newest question whose answer was applied.
	NextTime time.Time
	Answered int32
	// Seconds that it took, as decimal text.
	Seconds string
	Log     *v1alpha1.ActionLog

	// The fields below are not stored.

	// SentTime is when this process learned that it was sent: from a report, or when it loaded it. The time limit of a
	// script that waits for the machine is counted from then.
	SentTime time.Time
	// Begun is when its process started on the machine; zero if that is not known.
	Begun time.Time
	// Host is the address of the machine, Pids the processes that the machine could not end.
	Host string
	Pids []int
	// CancelTime is when the machine was asked to end it; zero if it was not.
	CancelTime time.Time

	state   State
	resumed bool
	// away says that the attempt only connects to its machine, and before is the attempt that its row tells of.
	away   bool
	before *Attempt
}

// Away tells whether the attempt only connects to its machine, which is believed to be away.
func (a *Attempt) Away() bool { return a.away }

// row is the attempt that a slice tells of; nil if there is none.
func (a *Attempt) row() *Attempt {
	if a != nil && a.away && a.Running() {
		a = a.before
	}
	if a == nil || a.Phase == "" {
		return nil
	}
	return a
}

// Resumed reports whether the attempt was recorded before this process loaded the run, so that its machine may have the
// script.
func (a *Attempt) Resumed() bool { return a.resumed }

// State returns the state of the attempt.
func (a *Attempt) State() State { return a.state }

// Running reports whether the attempt is written, or will be written, as Running.
func (a *Attempt) Running() bool { return a != nil && a.Phase == v1alpha1.StepRunning }

// move changes the state of the attempt. An illegal move is a bug: it returns an error and changes nothing.
func (a *Attempt) move(to State) error {
	for _, legal := range next[a.state] {
		if legal == to {
			a.state = to
			return nil
		}
	}
	return fmt.Errorf("moving an attempt from %s to %s", a.state, to)
}
