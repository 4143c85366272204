package home

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/windows"
)

// eventName names the event by which this home's daemon is told to look at its files again.
func (h Home) eventName() (*uint16, error) {
	sum := sha256.Sum256([]byte(strings.ToLower(h.dir)))
	return windows.UTF16PtrFromString(`Global\mantle-tentacle-` + hex.EncodeToString(sum[:8]))
}

// Reloads delivers a value whenever somebody asks this process to look at its files again. stop ends
// the delivery. Several asks in a row may arrive as one. It blocks one thread, and polls nothing.
func (h Home) Reloads() (asked <-chan os.Signal, stop func(), err error) {
	name, err := h.eventName()
	if err != nil {
		return nil, nil, err
	}
	event, err := windows.CreateEvent(nil, 0, 0, name)
	if err != nil && event == 0 {
		return nil, nil, fmt.Errorf("making the reload event: %w", err)
	}
	quit, err := windows.CreateEvent(nil, 1, 0, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("making the stop event: %w", err)
	}
	c, done := make(chan os.Signal, 1), make(chan struct{})
	go func() {
		defer close(done)
		for {
			n, err := windows.WaitForMultipleObjects([]windows.Handle{quit, event}, false, windows.INFINITE)
			if err != nil || n != windows.WAIT_OBJECT_0+1 {
				return
			}
			select {
			case c <- os.Interrupt:
			default:
			}
		}
	}()
	return c, func() {
		_ = windows.SetEvent(quit)
		<-done
		_ = windows.CloseHandle(quit)
		_ = windows.CloseHandle(event)
	}, nil
}

// AskReload asks the live daemon of this home to look at its files again. It does nothing, and
// returns false, where none lives.
func (h Home) AskReload() (told bool, err error) {
	if _, running, err := h.Daemon(); err != nil || !running {
		return false, err
	}
	name, err := h.eventName()
	if err != nil {
		return false, err
	}
	event, err := windows.OpenEvent(windows.EVENT_MODIFY_STATE, false, name)
	if err != nil {
		return false, fmt.Errorf("telling the daemon: %w", err)
	}
	defer windows.CloseHandle(event) //nolint:errcheck // nothing to do about it
	return true, windows.SetEvent(event)
}
