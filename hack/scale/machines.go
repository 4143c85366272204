//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// filesEach is how many open files a Tentacle needs at most: its port and connections, its lock and records, and what a
// script that is being started or followed has open.
const filesEach = 16

// machine is a Tentacle.
type machine struct {
	Address    string
	Thumbprint string
}

// home is where machine i keeps its state.
func (w *world) home(i int) string { return w.Path("homes", strconv.Itoa(i)) }

// startMachines starts the Tentacles, in as many processes as the limit on open files asks for.
func (w *world) startMachines(ctx context.Context, operator string) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("asking for the limit on open files: %w", err)
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	most := max(1, int(min(limit.Max, 1<<20))/filesEach)
	began, processes := time.Now(), (w.targets+most-1)/most
	w.machines = make([]machine, w.targets)
	up := make(chan error, w.targets)
	for p := range processes {
		first := p * w.targets / processes
		if err := w.startMany(ctx, first, (p+1)*w.targets/processes-first, port, operator, up); err != nil {
			return err
		}
	}
	count := 0
	err = w.wait(ctx, "the Tentacles listen", time.Minute+time.Duration(w.targets)*200*time.Millisecond, func() (bool, string, error) {
		for {
			select {
			case err := <-up:
				if err != nil {
					return false, "", err
				}
				count++
			default:
				return count == w.targets, fmt.Sprintf("%d of %d", count, w.targets), nil
			}
		}
	})
	if err == nil {
		say("%d Tentacles listen, in %d processes, after %s", count, processes, seconds(time.Since(began)))
	}
	return err
}

// startMany starts one process with a number of Tentacles, which tells of each on up.
func (w *world) startMany(ctx context.Context, first, count int, port, operator string, up chan<- error) error {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), w.Program("many"), "-operator", operator, "-dir", w.Path("homes"),
		"-program", w.Program("tentacle"), "-first", strconv.Itoa(first), "-count", strconv.Itoa(count), "-port", port)
	cmd.Env = append(os.Environ(), w.Mark())
	in, hold, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("starting Tentacles: %w", err)
	}
	defer in.Close()
	out, told, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("starting Tentacles: %w", err)
	}
	defer told.Close()
	w.pipes = append(w.pipes, hold, out)
	cmd.Stdin, cmd.Stdout = in, told
	if _, err := w.Start("tentacles-"+strconv.Itoa(first), cmd); err != nil {
		return err
	}
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var line struct {
				Machine int
				machine
			}
			err := json.Unmarshal(lines.Bytes(), &line)
			if err == nil && (line.Machine < first || line.Machine >= first+count) {
				err = fmt.Errorf("a Tentacle calls itself number %d", line.Machine)
			}
			if err == nil {
				w.machines[line.Machine] = line.machine
			}
			up <- err
		}
	}()
	return nil
}

// freePort is a port that nobody has at 127.0.0.1, and so most likely at no other loopback address.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // asks for a free port
	if err != nil {
		return "", fmt.Errorf("looking for a free port: %w", err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err = errors.Join(err, l.Close()); err != nil {
		return "", fmt.Errorf("looking for a free port: %w", err)
	}
	return port, nil
}
