package scripts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/agent/internal/sorted"
)

// endPause is how often End looks whether scripts have ended.
const endPause = 50 * time.Millisecond

// Listed is a script as its journal tells of it. Its Ticket has a mark behind it where another operator has the same.
type Listed struct {
	Ticket, Operator string
	// Task is what the operator calls the work that the script belongs to.
	Task    string
	Arrived time.Time
	// State is process.Unclaimed for a script that waits for its turn.
	State process.State
	// Process is the id of the supervisor where State is process.Running; 0 in the moment before it is known.
	Process int
	// Result is the end of a script that is process.Finished.
	Result *process.Result

	dir string
}

// Over says that nothing of the script can run any more.
func (l Listed) Over() bool { return l.State == process.Finished || l.State == process.Vanished }

// List reads the journals of a resolved home, in the order in which the scripts arrived. It disturbs no
// daemon and needs none. What is not recorded yet, or is being forgotten, is left out; a journal that cannot
// be read is an error beside the list of the others.
func List(dir string) ([]Listed, error) {
	tickets := filepath.Join(dir, ".tentacle", "tickets")
	folders, err := os.ReadDir(tickets)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // no daemon ever ran
	}
	if err != nil {
		return nil, fmt.Errorf("reading the scripts of the home: %w", err)
	}
	var all []Listed
	var errs []error
	for _, f := range folders {
		if !f.IsDir() {
			continue // a ticket file, which is read with its folder
		}
		l, found, err := listed(filepath.Join(tickets, f.Name()))
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("reading script %s: %w", f.Name(), err))
		case found:
			all = append(all, l)
		}
	}
	sorted.By(all, func(a, b Listed) int { return a.Arrived.Compare(b.Arrived) })
	return all, errors.Join(errs...)
}

func listed(dir string) (l Listed, found bool, err error) {
	var r record
	if found, err := process.ReadCommand(dir, &r); err != nil || !found {
		return l, false, err
	}
	if r.Version > process.Version {
		return l, false, process.ErrNewer
	}
	sight, err := process.Look(dir)
	if err != nil {
		return l, false, err
	}
	l = Listed{Ticket: r.Ticket + nameMark(filepath.Base(dir)), Operator: r.Operator, Task: r.TaskID, Arrived: r.Arrived, State: sight.State, Result: sight.Result, dir: dir}
	if l.State == process.Running {
		var started process.Started
		if _, err := process.ReadState(dir, process.StartedFile, &started); err != nil {
			return l, false, err
		}
		l.Process = started.Process
	}
	return l, true, nil
}

// End ends every script of a resolved home that runs, as an operator's cancel does, so that whoever asks for
// its status is told the truth; one that waits for its turn is cancelled, and ends when the next daemon looks at
// it. It is meant for a time at which no daemon takes new ones, and waits until all that ran have ended, or until
// ctx does: then it fails, and says how many are left. over are those that it ended or cancelled, as they are
// afterwards.
func End(ctx context.Context, dir string) (over []Listed, err error) {
	all, err := List(dir)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, Listed.Over)
	for _, l := range all {
		if err := l.cancel(); err != nil {
			return nil, fmt.Errorf("ending script %s: %w", l.Ticket, err)
		}
	}
	ticker := time.NewTicker(endPause)
	defer ticker.Stop()
	for {
		ended, left, err := parted(all)
		if over = append(over, ended...); err != nil {
			return over, err
		}
		if all = left; len(all) == 0 {
			return over, nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return over, fmt.Errorf("waiting for scripts to end: %d still run, the first is %s: %w", len(all), all[0].Ticket, context.Cause(ctx))
		}
	}
}

// parted tells those that still run from those that do not.
func parted(all []Listed) (ended, left []Listed, err error) {
	for _, l := range all {
		now, found, err := listed(l.dir)
		switch {
		case err != nil:
			return ended, left, fmt.Errorf("looking at script %s: %w", l.Ticket, err)
		case found && now.State == process.Running:
			left = append(left, l)
		case found:
			ended = append(ended, now)
		}
	}
	return ended, left, nil
}

// cancel makes a cancel durable and wakes the supervisor, if there is one. The folder may belong to another than
// who calls this: so no link in it is followed, and nothing is written that a daemon has to read.
func (l Listed) cancel() error {
	err := home.AsOwner(l.dir, func() error {
		file, err := os.OpenFile(filepath.Join(l.dir, process.CancelFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // #nosec G304 -- a file of the ticket's own folder
		if err == nil {
			err = errors.Join(home.Adopt(file), file.Sync(), file.Close(), process.SyncDir(l.dir))
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return process.Wake(l.dir)
}
