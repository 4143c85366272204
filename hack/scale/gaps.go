//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// script is what every step runs: it writes down when.
const script = `echo "$EPOCHREALTIME" >>"$TentacleHome/times"`

// gaps adds how long it takes from the bindings' edit to the first step on a target, and from the end of a step, which is
// that on the last target of its run, to the next one: until the Tentacle there gets it, which is the operator's part and
// the network's, and until the script runs.
func (w *world) gaps(r *table, edited time.Time) error {
	started, ran := make([][]time.Time, w.targets), make([][]time.Time, w.targets)
	for i := range w.targets {
		var err error
		if started[i], err = lastStarts(w.home(i), w.steps); err != nil {
			return err
		}
		if ran[i], err = lastTimes(w.home(i), w.steps); err != nil {
			return err
		}
	}
	var first, received, begun []time.Duration
	for i := range w.targets {
		first = append(first, started[i][0].Sub(edited))
	}
	for step := range w.steps - 1 {
		ended := make([]time.Time, w.projects)
		for i := range w.targets {
			if p := w.projectOf(i); ran[i][step].After(ended[p]) {
				ended[p] = ran[i][step]
			}
		}
		for i := range w.targets {
			received = append(received, started[i][step+1].Sub(ended[w.projectOf(i)]))
			begun = append(begun, ran[i][step+1].Sub(ended[w.projectOf(i)]))
		}
	}
	r.row("edit to the first step's arrival at a target, median / p99", spread(first))
	if w.steps > 1 {
		r.row("step's end to the next one's arrival at a target, median / p99", spread(received))
		r.row("step's end to the next one's script on a target, median / p99", spread(begun))
	}
	return nil
}

// spread is the median and the 99th per cent.
func spread(all []time.Duration) string {
	slices.Sort(all)
	return seconds(percentile(all, 50)) + " / " + seconds(percentile(all, 99))
}

// lastStarts are the times of the last n starts in the audit log of a machine.
func lastStarts(home string, n int) ([]time.Time, error) {
	return last(filepath.Join(home, ".tentacle", "audit", "audit.jsonl"), n, func(line []byte) (time.Time, bool, error) {
		var e struct {
			Time           time.Time
			What, Decision string
		}
		err := json.Unmarshal(line, &e)
		return e.Time, e.What == "start" && e.Decision == "allowed", err
	})
}

// lastTimes are the last n times that scripts wrote down on a machine.
func lastTimes(home string, n int) ([]time.Time, error) {
	return last(filepath.Join(home, "times"), n, func(line []byte) (time.Time, bool, error) {
		whole, part, _ := strings.Cut(string(line), ".")
		sec, err := strconv.ParseInt(whole, 10, 64)
		if err != nil {
			return time.Time{}, false, err
		}
		micro, err := strconv.ParseInt(part, 10, 64)
		return time.Unix(sec, micro*1000), true, err
	})
}

// last are the times in the last n lines of a file that have one.
func last(file string, n int, read func(line []byte) (at time.Time, has bool, err error)) ([]time.Time, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no script has run: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("reading when scripts ran: %w", err)
	}
	defer f.Close()
	var all []time.Time
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		at, has, err := read(lines.Bytes())
		if err != nil {
			return nil, fmt.Errorf("reading when scripts ran: %s: %w", file, err)
		}
		if has {
			all = append(all, at)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading when scripts ran: %w", err)
	}
	if len(all) < n {
		return nil, fmt.Errorf("%s tells of %d scripts, want at least %d", file, len(all), n)
	}
	return all[len(all)-n:], nil
}
