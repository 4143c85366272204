package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/config"
	"github.com/mantledeploy/mantle/agent/internal/daemon"
	"github.com/mantledeploy/mantle/agent/internal/home"
)

// State is how grave a finding is.
type State string

// The states.
const (
	OK   State = "ok"
	Warn State = "warn"
	Fail State = "fail"
)

// Finding is what a check has to say. Text is a sentence; Remedy is what to do, of all that is not OK.
type Finding struct {
	Check  string `json:"check"`
	State  State  `json:"state"`
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"`
}

// Machine is what checks look at.
type Machine struct {
	// Home is the Tentacle's.
	Home home.Home
	// Settings are those of the home, with the environment over them.
	Settings config.Config
	// Identity is nil where it cannot be read.
	Identity *daemon.Identity
	// PID is the daemon's process; 0 where none runs, or where it has only just started.
	PID int
	// Running says that a daemon serves the home.
	Running bool
	// Now is the time.
	Now time.Time
	// At is what a command needs so that it is for this home: " --home DIR", or nothing.
	At string
	// Root is where the system's own files are looked for: / but in tests.
	Root string
}

// Check is one thing to look at.
type Check struct {
	Name string
	Look func(context.Context, Machine) []Finding
}

// Checks are all of them, in the order in which they are told.
func Checks() []Check {
	return []Check{
		{"home", lookAtHome},
		{"locks", lookAtLocks},
		{"identity", lookAtIdentity},
		{"trust", lookAtTrust},
		{"policy", lookAtPolicy},
		{"audit", lookAtAudit},
		{"daemon", lookAtDaemon},
		{"service", lookAtService},
		{"port", lookAtPort},
		{"address", lookAtAddress},
		{"clock", lookAtClock},
		{"disk", lookAtDisk},
		{"interpreters", lookAtInterpreters},
	}
}

// Examine makes all checks.
func Examine(ctx context.Context, m Machine) []Finding {
	var all []Finding
	for _, c := range Checks() {
		for _, f := range c.Look(ctx, m) {
			f.Check = c.Name
			all = append(all, f)
		}
	}
	return all
}

func well(format string, args ...any) []Finding {
	return []Finding{{State: OK, Text: fmt.Sprintf(format, args...)}}
}

// bad is a finding that is not OK.
func bad(s State, remedy, format string, args ...any) []Finding {
	return []Finding{{State: s, Text: fmt.Sprintf(format, args...), Remedy: remedy}}
}
