package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/regular"
	"github.com/mantledeploy/mantle/agent/internal/uptime"
)

// claimsFolder is where tickets are claimed, within Folder. No namespace has a name like it.
const claimsFolder = ".claims"

// runningFile is locked by the step that runs, within Folder.
const runningFile = ".running"

// The files of a claim: who holds the lock carries the ticket out; the mark is made once; the end is written once.
const (
	claimLock = "lock"
	claimMark = "claimed"
	claimEnd  = "ended"
)

const (
	// claimsKept is how long a claim is remembered, as a Tentacle's tombstones are.
	claimsKept = 30 * 24 * time.Hour
	// claimsSwept bounds what one claim removes of older ones.
	claimsSwept = 100
	claimPoll   = 200 * time.Millisecond
	maxEnd      = 1 << 20
	maxMark     = 1 << 10
)

// End is how a step ended, as its engine said.
type End struct {
	ExitCode int `json:"exitCode"`
	// Lines are the last ones that the engine printed: outputs and result.
	Lines []string `json:"lines"`
}

// Claim is a ticket that one process carries out. It ends with Release or with the process.
type Claim struct {
	folder string
	lock   *os.File
	// First says that nobody had claimed the ticket before.
	First bool
	// Earlier is how it ended; nil where it is the first, and where an earlier process did not come to its end.
	Earlier *End
}

// Claim claims a ticket, once for ever, for a Tentacle that forgets its tickets. Where another process carries it out,
// waiting is called and Claim returns when that one has ended, or with the context's error.
func (j *Journal) Claim(ctx context.Context, ticket string, waiting func()) (*Claim, error) {
	c := &Claim{folder: filepath.Join(j.folder, claimsFolder, ticket)}
	if err := os.MkdirAll(c.folder, 0o700); err != nil {
		return nil, fmt.Errorf("claiming ticket %s: %w", ticket, err)
	}
	var err error
	if c.lock, err = os.OpenFile(filepath.Join(c.folder, claimLock), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return nil, fmt.Errorf("claiming ticket %s: %w", ticket, err)
	}
	if err = await(ctx, c.lock, waiting); err == nil {
		err = c.mark()
	}
	if err == nil && !c.First {
		err = c.read()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("claiming ticket %s: %w", ticket, err), c.lock.Close())
	}
	if c.First {
		j.sweep()
	}
	return c, nil
}

// Alone waits until no other step of the home runs, and lets none begin until what it returns is closed, or the process ends. A
// Tentacle that was restarted has lost its own lock, and the step that it ran goes on.
func (j *Journal) Alone(ctx context.Context, waiting func()) (io.Closer, error) {
	f, err := os.OpenFile(filepath.Join(j.folder, runningFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("waiting for other steps: %w", err)
	}
	if err := await(ctx, f, waiting); err != nil {
		return nil, errors.Join(fmt.Errorf("waiting for other steps: %w", err), f.Close())
	}
	return f, nil
}

// await takes a lock, which the system takes back when its holder ends in whatever way.
func await(ctx context.Context, lock *os.File, waiting func()) error {
	for told := false; ; told = true {
		locked, err := tryLock(lock, true)
		if locked || err != nil {
			return err
		}
		if !told {
			waiting()
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(claimPoll):
		}
	}
}

// mark makes the mark, on the disk, where it is not there.
func (c *Claim) mark() error {
	f, err := os.OpenFile(filepath.Join(c.folder, claimMark), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	c.First = true
	now := uptime.Now()
	_, err = fmt.Fprintf(f, "%d\n%s %d\n", os.Getpid(), now.Boot, now.Up)
	claims := filepath.Dir(c.folder)
	return errors.Join(err, f.Sync(), f.Close(), syncFolder(c.folder), syncFolder(claims), syncFolder(filepath.Dir(claims)))
}

func (c *Claim) read() error {
	data, more, err := regular.ReadFile(filepath.Join(c.folder, claimEnd), maxEnd)
	if errors.Is(err, fs.ErrNotExist) || more {
		return nil // or nobody's end
	}
	if err != nil {
		return err
	}
	var end End
	if json.Unmarshal(data, &end) == nil {
		c.Earlier = &end
	}
	return nil
}

// Finish remembers how the step ended. Call it before that is told.
func (c *Claim) Finish(end End) error {
	data, err := json.Marshal(end)
	if err != nil {
		return fmt.Errorf("encoding the end: %w", err)
	}
	next := filepath.Join(c.folder, claimEnd+".new")
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("keeping the end: %w", err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(next, filepath.Join(c.folder, claimEnd))
	}
	if err = errors.Join(err, syncFolder(c.folder)); err != nil {
		return fmt.Errorf("keeping the end: %w", err)
	}
	return nil
}

// Release lets go of the ticket; the claim stays.
func (c *Claim) Release() error { return c.lock.Close() }

// claimedLately tells whether a ticket was claimed in this run of the machine, and less than claimsKept ago, whatever its clock says
// of that: where it was set since, a claim seems to be older than it is.
func (j *Journal) claimedLately(ticket string) bool {
	data, more, err := regular.ReadFile(filepath.Join(j.folder, claimsFolder, ticket, claimMark), maxMark)
	if err != nil || more {
		return false
	}
	var pid int
	var then uptime.Reading
	if _, err := fmt.Sscan(string(data), &pid, &then.Boot, (*int64)(&then.Up)); err != nil {
		return false // an earlier version's
	}
	ago, known := uptime.Now().Since(then)
	return known && ago < claimsKept
}

// sweep removes claims that are old. What it cannot remove is tried again by a later claim.
func (j *Journal) sweep() {
	folder := filepath.Join(j.folder, claimsFolder)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	removed := 0
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || time.Since(info.ModTime()) < claimsKept || j.claimedLately(e.Name()) {
			continue
		}
		if removed++; removed > claimsSwept {
			return
		}
		_ = os.RemoveAll(filepath.Join(folder, e.Name()))
	}
}
