//go:build !linux && !windows

package hostservice

import (
	"context"
	"fmt"
	"runtime"
)

// System is what is missing here: see Open.
type System struct{}

// Open fails with ErrUnsupported, and says what to do instead.
func Open() (*System, error) {
	return nil, fmt.Errorf("%w: on %s write a job for launchd that runs 'tentacle run', with KeepAlive, and with AbandonProcessGroup so that scripts outlive the daemon", ErrUnsupported, runtime.GOOS)
}

// Close does nothing.
func (s *System) Close() error { return nil }

// Install fails with ErrUnsupported.
func (s *System) Install(context.Context, Options) ([]string, error) { return nil, ErrUnsupported }

// Uninstall fails with ErrUnsupported.
func (s *System) Uninstall(context.Context) ([]string, error) { return nil, ErrUnsupported }

// Start fails with ErrUnsupported.
func (s *System) Start(context.Context) error { return ErrUnsupported }

// Stop fails with ErrUnsupported.
func (s *System) Stop(context.Context) error { return ErrUnsupported }

// Restart fails with ErrUnsupported.
func (s *System) Restart(context.Context) error { return ErrUnsupported }

// Status fails with ErrUnsupported.
func (s *System) Status(context.Context) (Status, error) { return Status{}, ErrUnsupported }
