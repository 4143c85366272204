//go:build !windows

package home

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Reloads delivers a value whenever somebody asks this process to look at its files again (SIGHUP).
// stop ends the delivery. Several asks in a row may arrive as one.
func (h Home) Reloads() (asked <-chan os.Signal, stop func(), err error) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c, func() { signal.Stop(c) }, nil
}

// AskReload asks the live daemon of this home to look at its files again. It does nothing, and
// returns false, where none lives.
func (h Home) AskReload() (told bool, err error) {
	pid, running, err := h.Daemon()
	if err != nil || !running {
		return false, err
	}
	if pid == 0 {
		return false, nil // it is only starting, and has yet to read its files
	}
	p, err := os.FindProcess(pid) // which holds it, where the system can, so that its number is not another's
	if err != nil {
		return false, fmt.Errorf("telling the daemon (process %d): %w", pid, err)
	}
	defer p.Release() //nolint:errcheck // nothing can be done about it
	again, running, err := h.Daemon()
	if err != nil || !running || again != pid { // the next one reads its files anyway
		return false, err
	}
	if err := p.Signal(syscall.SIGHUP); err != nil {
		return false, fmt.Errorf("telling the daemon (process %d): %w", pid, err)
	}
	return true, nil
}
