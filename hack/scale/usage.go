//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// ticks is how many clock ticks a second has in /proc, on every system that Go knows.
const ticks = 100

// meter reads what a process with this id has used.
type meter int

// usage is what a process has used until a time.
type usage struct {
	at  time.Time
	cpu time.Duration
	// rss is its memory now, and peak the most since the last reset, in bytes.
	rss, peak int64
}

func (m meter) file(name string) string { return "/proc/" + strconv.Itoa(int(m)) + "/" + name }

// reset lets the peak begin anew.
func (m meter) reset() error {
	if err := os.WriteFile(m.file("clear_refs"), []byte("5"), 0); err != nil {
		return fmt.Errorf("resetting the peak of a process's memory: %w", err)
	}
	return nil
}

func (m meter) read() (usage, error) {
	u := usage{at: time.Now()}
	stat, err := os.ReadFile(m.file("stat"))
	if err != nil {
		return u, fmt.Errorf("reading the CPU of a process: %w", err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return u, fmt.Errorf("reading the CPU of a process: %q", stat)
	}
	for _, field := range fields[11:13] { // user and system
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return u, fmt.Errorf("reading the CPU of a process: %w", err)
		}
		u.cpu += time.Duration(n) * time.Second / ticks
	}
	status, err := os.ReadFile(m.file("status"))
	if err != nil {
		return u, fmt.Errorf("reading the memory of a process: %w", err)
	}
	u.rss, u.peak = kilobytes(status, "VmRSS:"), kilobytes(status, "VmHWM:")
	return u, nil
}

// kilobytes is a row of /proc/PID/status in bytes.
func kilobytes(status []byte, name string) int64 {
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n << 10
		}
	}
	return 0
}

// stretch is what the operator and the API server use from one time to another.
type stretch struct {
	w             *world
	operator, api usage
}

// begin begins a stretch: memory peaks and requests are counted anew.
func (w *world) begin() (*stretch, error) {
	if err := w.Alive(); err != nil {
		return nil, err
	}
	if err := w.operator.reset(); err != nil {
		return nil, err
	}
	if _, err := w.requests.read(); err != nil {
		return nil, err
	}
	s := &stretch{w: w}
	var err error
	if s.operator, err = w.operator.read(); err != nil {
		return nil, err
	}
	s.api, err = w.api.read()
	return s, err
}

// spent is what was used in a stretch.
type spent struct {
	wall, cpu, apiCPU time.Duration
	rss, peak         int64
	requests          tally
}

// end tells what was used since the stretch began, or since the last call; the peak is that of all.
func (s *stretch) end() (spent, error) {
	if err := s.w.Alive(); err != nil {
		return spent{}, err
	}
	operator, err := s.w.operator.read()
	if err != nil {
		return spent{}, err
	}
	api, err := s.w.api.read()
	if err != nil {
		return spent{}, err
	}
	requests, err := s.w.requests.read()
	u := spent{wall: operator.at.Sub(s.operator.at), cpu: operator.cpu - s.operator.cpu, apiCPU: api.cpu - s.api.cpu,
		rss: operator.rss, peak: operator.peak, requests: requests}
	s.operator, s.api = operator, api
	return u, err
}
