package scripts

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/agent/internal/process/output"
	"github.com/mantledeploy/mantle/agent/internal/sorted"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// What the states of a Seen are called.
const (
	SeenWaiting    = "waiting"    // for its mutex, or for a daemon to start it
	SeenRunning    = "running"    // its supervisor lives
	SeenFinished   = "finished"   // it has an exit code that its operator has not fetched yet
	SeenLost       = "lost"       // its supervisor died; how far it came is not known
	SeenCompleted  = "completed"  // its operator has the result; its output is gone
	SeenUnreadable = "unreadable" // its files cannot be read; Why says more
)

// Seen is what an onlooker knows of a script.
type Seen struct {
	// Ticket has a mark of its operator behind it if another operator has the same ticket. OpenLog takes it as it is.
	Ticket string `json:"ticket"`
	State  string `json:"state"`
	// Operator is the SHA-256 thumbprint of who started it.
	Operator string `json:"operator,omitempty"`
	// Since is when it arrived; of a completed one it is when it was completed.
	Since time.Time `json:"since"`
	// Process is the id of its supervisor, which is also the number of the session that all its processes are in.
	Process  int        `json:"process,omitempty"`
	Ended    *time.Time `json:"ended,omitempty"`
	ExitCode *int32     `json:"exitCode,omitempty"`
	// Task is what the operator calls the work that it belongs to.
	Task string `json:"task,omitempty"`
	// Why is the line that says why the exit code is not the script's own.
	Why string `json:"why,omitempty"`
}

// ErrNoScript is the answer to a ticket that this home does not know.
var ErrNoScript = errors.New("this machine knows no such script")

// ErrCompleted is the answer to a ticket whose output is gone.
var ErrCompleted = errors.New("its operator has fetched the result, and the output went with it")

// View lists the scripts of a home, oldest first: all that wait, run, or have a result that nobody fetched, and
// the last completed ones, at most so many. It reads files only, and disturbs neither a daemon nor a script.
func View(h home.Home, completed int) ([]Seen, error) {
	folders, err := os.ReadDir(h.State("tickets"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listing scripts: %w", err)
	}
	var all []Seen
	for _, f := range folders {
		if !f.IsDir() || process.Marked(h.State("tombstones"), stoneName(f.Name())) {
			continue // a ticket file, which is read with its folder, or one that is completed
		}
		if s, ok := look(h.State("tickets", f.Name()), f.Name()); ok {
			all = append(all, s)
		}
	}
	if completed > 0 {
		over, err := viewTombstones(h, completed)
		if err != nil {
			return nil, err
		}
		all = append(over, all...)
	}
	sorted.By(all, func(a, b Seen) int { return a.Since.Compare(b.Since) })
	return all, nil
}

// look sees one ticket. ok is false where it is none, or none any more.
func look(dir, key string) (s Seen, ok bool) {
	l, found, err := listed(dir)
	if err != nil {
		return Seen{Ticket: key, State: SeenUnreadable, Why: err.Error()}, true
	}
	s = Seen{Ticket: l.Ticket, Operator: l.Operator, Since: l.Arrived, Task: l.Task, Process: l.Process}
	switch l.State {
	case process.Finished:
		s.State, s.ExitCode, s.Ended, s.Why = SeenFinished, &l.Result.ExitCode, &l.Result.Ended, l.Result.Line
	case process.Vanished:
		s.State = SeenLost
	case process.Running:
		s.State = SeenRunning
	default:
		s.State = SeenWaiting
	}
	return s, found
}

// viewTombstones sees the last so many completed scripts, and those that were cancelled before they arrived.
func viewTombstones(h home.Home, most int) ([]Seen, error) {
	var last []stone
	for _, dir := range []string{h.State("tombstones"), h.State("cancelled")} {
		err := eachFile(dir, func(f fs.DirEntry) {
			info, err := f.Info()
			if err != nil || !strings.HasSuffix(f.Name(), stoneName("")) || strings.HasPrefix(f.Name(), "..") {
				return
			}
			if last = append(last, stone{dir, info}); len(last) >= 2*most+atATime {
				last = newest(last, most)
			}
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("listing completed scripts: %w", err)
		}
	}
	var all []Seen
	for _, file := range newest(last, most) {
		if s, ok := file.look(); ok {
			all = append(all, s)
		}
	}
	return all, nil
}

// stone is the file of a tombstone.
type stone struct {
	dir  string
	info fs.FileInfo
}

// newest cuts a list to its last so many.
func newest(all []stone, most int) []stone {
	sorted.By(all, func(a, b stone) int {
		return cmp.Or(b.info.ModTime().Compare(a.info.ModTime()), strings.Compare(a.info.Name(), b.info.Name()))
	})
	return all[:min(len(all), max(most, 0))]
}

func (f stone) look() (s Seen, ok bool) {
	var t tombstone
	if found, err := process.ReadState(f.dir, f.info.Name(), &t); err != nil || !found || t.Ticket == "" {
		return s, false
	}
	s = Seen{Ticket: t.Ticket + nameMark(f.info.Name()[:len(f.info.Name())-len(stoneName(""))]), Operator: t.Operator, State: SeenCompleted, Since: f.info.ModTime().UTC(), ExitCode: t.ExitCode}
	if t.Cancelled {
		s.Why = "It was cancelled before it arrived."
	}
	return s, true
}

// Log reads the output of one script as it comes. It is for one goroutine.
type Log struct {
	home   home.Home
	dir    string
	key    string
	reader output.Reader
}

// OpenLog begins at the first line of a script's output. It fails with ErrNoScript or ErrCompleted.
func OpenLog(h home.Home, ticket string) (*Log, error) {
	key, ok := nameOf(ticket)
	if !ok {
		return nil, ErrNoScript
	}
	l := &Log{home: h, dir: h.State("tickets", key), key: key}
	l.reader = output.NewReader(l.dir, 0)
	return l, l.gone()
}

// gone says why there is nothing to read.
func (l *Log) gone() error {
	if process.Marked(l.dir, process.CommandFile) {
		return nil
	}
	if _, err := os.Lstat(filepath.Join(l.home.State("tombstones"), stoneName(l.key))); err == nil {
		return ErrCompleted
	}
	return ErrNoScript
}

// Next returns the lines that came since. When result is set there are none behind them. Where there is no
// more for now, more is false.
func (l *Log) Next() (lines []output.Entry, more bool, result *process.Result, err error) {
	sight, err := process.Look(l.dir) // before the output, so that a finished script has all of it
	if err != nil {
		return nil, false, nil, err
	}
	if lines, more, err = l.reader.Read(1 << 20); err != nil {
		return nil, false, nil, err
	}
	switch {
	case more:
		return lines, true, nil, nil
	case sight.State == process.Finished:
		return lines, false, sight.Result, nil
	case sight.State == process.Vanished:
		return lines, false, &process.Result{ExitCode: tentacle.ExitLost, Line: "Its supervisor died; how far it came is not known."}, nil
	}
	return lines, false, nil, l.gone()
}
