package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/process/output"
)

// The files of a ticket's folder.
const (
	CommandFile   = "command"
	ClaimFile     = "claim"
	StartedFile   = "started"
	CancelFile    = "cancel"
	CompletedFile = "completed"
	ResultFile    = "result"
)

// Version is that of the files in a ticket's folder. A program reads its own version and older ones.
const Version = 1

// ErrNewer says that a file was written by a newer version of the program.
var ErrNewer = errors.New("written by a newer version of tentacle")

// Spec is what a supervisor needs to know to run a script. It is the member "process" of the command.
type Spec struct {
	Path string   `json:"path"`           // the program, absolute
	Args []string `json:"args,omitempty"` // its arguments without the program's name
	// CommandLine goes on Windows in the place of Args, as it is; program name first.
	CommandLine string `json:"commandLine,omitempty"`
	// User is the account that the script runs as; empty is the supervisor's own.
	User string `json:"user,omitempty"`
	// Call says that this is a step, whose plan is in the ticket file: the supervisor carries it out itself. Path and Args are
	// then this program's engine, for what it cannot do in its own process.
	Call bool `json:"call,omitempty"`
	// Boot is the run of the machine in which the ticket's turn came together with its start. In that run the claim need
	// not be on the disk; in another one nobody knows whether the ticket was claimed, and it is Lost.
	Boot    string        `json:"boot,omitempty"`
	Dir     string        `json:"dir"`           // the working folder, absolute
	Env     []string      `json:"env,omitempty"` // added to the environment, as NAME=value
	Grace   time.Duration `json:"grace"`         // from TERM to KILL
	Abandon time.Duration `json:"abandon"`       // from KILL to giving up
	// Drain is how long after the script's own exit its output is waited for.
	Drain  time.Duration `json:"drain"`
	Output output.Limits `json:"output"`
}

// Result is the end of a ticket.
type Result struct {
	Version  int   `json:"version"`
	ExitCode int32 `json:"exitCode"`
	// Entries is the number of the last entry of output.
	Entries int64 `json:"entries"`
	// Line comes behind the output and says why the Tentacle, and not the script, gave the exit code.
	Line   string        `json:"line,omitempty"`
	Source output.Source `json:"source,omitempty"`
	Ended  time.Time     `json:"ended"`
}

// Started says who decided what becomes of a ticket.
type Started struct {
	Version int `json:"version"`
	// Boot, Process and StartTime identify a supervisor, and with it its session. Process 0 is nobody.
	Boot      string `json:"boot,omitempty"`
	Process   int    `json:"process,omitempty"`
	StartTime string `json:"startTime,omitempty"`
	// Mark is in the environment of the supervisor and of all that it started; see EndSession. Earlier versions have none.
	Mark string `json:"mark,omitempty"`
	// Decision is the end of a ticket that was never run.
	Decision *Result `json:"decision,omitempty"`
}

// Rebooted says whether the machine was started anew since, as far as that can be known.
func (s Started) Rebooted() bool { return s.Boot != "" && s.Boot != bootID() }

// Boot identifies this run of the machine; empty where that is not known.
func Boot() string { return bootID() }

// State is where a ticket stands.
type State int

// The states, in the order of their life.
const (
	Unclaimed State = iota // nobody has begun; it may be launched
	Running                // a supervisor lives
	Finished               // there is a result
	Vanished               // a supervisor began and died without a result
)

// Sight is what Look saw. Result is set when Finished, Started when Vanished.
type Sight struct {
	State   State
	Result  *Result
	Started *Started
}

// Look tells where the ticket of folder dir stands. It disturbs nobody and may be called at any time. It
// fails when a file cannot be read, or with ErrNewer.
func Look(dir string) (Sight, error) {
	started, err := readStarted(dir)
	if err != nil {
		return Sight{}, err
	}
	if started != nil && started.Decision != nil {
		return Sight{State: Finished, Result: started.Decision}, nil
	}
	held, err := Held(dir)
	if err != nil {
		return Sight{}, fmt.Errorf("looking at the claim: %w", err)
	}
	var result Result
	found, err := ReadState(dir, ResultFile, &result)
	switch {
	case err != nil:
		return Sight{}, err
	case found && result.Version > Version:
		return Sight{}, fmt.Errorf("reading %s: %w", ResultFile, ErrNewer)
	case found && result.Version > 0:
		return Sight{State: Finished, Result: &result}, nil
	case held:
		return Sight{State: Running}, nil
	case started != nil:
		return Sight{State: Vanished, Started: started}, nil
	}
	return Sight{State: Unclaimed}, nil
}

// Held says whether a supervisor lives that has claimed, or is about to claim, the ticket of folder dir.
func Held(dir string) (bool, error) { return claimHeld(filepath.Join(dir, ClaimFile)) }

func readStarted(dir string) (*Started, error) {
	var started Started
	found, err := ReadState(dir, StartedFile, &started)
	switch {
	case err != nil:
		return nil, err
	case started.Version > Version:
		return nil, fmt.Errorf("reading %s: %w", StartedFile, ErrNewer)
	case found:
		return &started, nil
	}
	return nil, nil //nolint:nilnil // no file is an answer here, not an error
}

// Decide ends a ticket that nobody has begun. It says false, and changes nothing, where somebody has: the
// ticket is to be treated as running then. Result's version, number of entries and time are filled in. With
// an error and false nothing is decided, and it may be tried again; with an error and true it is, but a power
// cut may undo that.
func Decide(dir string, result Result) (*Result, bool, error) {
	entries, err := output.End(dir)
	if err != nil {
		return nil, false, fmt.Errorf("reading output: %w", err)
	}
	result.Version, result.Entries, result.Ended = Version, entries, time.Now().UTC()
	made, err := begin(dir, Started{Version: Version, Decision: &result}, true)
	if errors.Is(err, fs.ErrExist) {
		return nil, false, nil
	}
	if err != nil {
		err = fmt.Errorf("deciding a ticket: %w", err)
	}
	return &result, made, err
}

// begin makes the started file, whole and, with durable, synced, and says whether it did. Of all who try one succeeds; the
// others get fs.ErrExist. It may have made the file and still fail. A claim is synced under its last name
// only, as every sync costs the start of a script some milliseconds: the power may cut it, and then the ticket is Lost. A
// decision is whole before it has its name.
func begin(dir string, started Started, durable bool) (made bool, err error) {
	data, err := json.Marshal(started)
	if err != nil {
		return false, err
	}
	name, tmp := filepath.Join(dir, StartedFile), filepath.Join(dir, fmt.Sprintf(".%s.%d", StartedFile, os.Getpid()))
	file, err := writeNew(tmp, os.O_TRUNC, append(data, '\n'))
	defer os.Remove(tmp) //nolint:errcheck // nobody reads it, and it goes with its folder
	if err != nil {
		return false, err
	}
	if started.Decision != nil && durable {
		if err = file.Sync(); err != nil {
			return false, errors.Join(err, file.Close())
		}
	}
	err = os.Link(tmp, name)
	if err != nil && !errors.Is(err, fs.ErrExist) { // a file system without links
		_ = file.Close() // of no use
		if file, err = writeNew(name, os.O_EXCL, append(data, '\n')); err != nil {
			return !errors.Is(err, fs.ErrExist) && Marked(dir, StartedFile), err
		}
	}
	if err != nil {
		return false, errors.Join(err, file.Close())
	}
	if !durable {
		return true, file.Close()
	}
	folder := make(chan error, 1)
	go func() { folder <- SyncDir(dir) }() // both at a time cost little more than one
	return true, errors.Join(file.Sync(), file.Close(), <-folder)
}

// writeNew makes a file and leaves it open, to be synced.
func writeNew(path string, flags int, data []byte) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|flags, 0o600) // #nosec G304 -- a file of the ticket's own folder
	if err != nil {
		return nil, err
	}
	if _, err = file.Write(data); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// Finish writes the result of a ticket whose supervisor vanished. It is not synced.
func Finish(dir string, result Result) (*Result, error) {
	entries, err := output.End(dir)
	if err != nil {
		return nil, fmt.Errorf("reading output: %w", err)
	}
	result.Version, result.Entries, result.Ended = Version, entries, time.Now().UTC()
	return &result, WriteState(dir, ResultFile, result, false)
}

// Mark makes an empty file durable: a cancel, or that a ticket is completed. Marking twice is well.
func Mark(dir, name string) error {
	file, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE, 0o600) // #nosec G304 -- a file of the ticket's own folder
	if err == nil {
		err = errors.Join(file.Sync(), file.Close(), SyncDir(dir))
	}
	if err != nil {
		return fmt.Errorf("marking a ticket with %s: %w", name, err)
	}
	return nil
}

// Marked says whether Mark was called.
func Marked(dir, name string) bool {
	_, err := os.Lstat(filepath.Join(dir, name))
	return err == nil
}
