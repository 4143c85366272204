package hostservice

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Name is what the service is called, with every service manager.
const Name = "tentacle"

const (
	unitName    = Name + ".service"
	description = "Mantle Tentacle"
)

// What the methods of System fail with, beside errors of the system.
var (
	// ErrUnsupported says that there is no service manager here that this program knows.
	ErrUnsupported = errors.New("there is no service manager here that this program knows")
	// ErrNotRunning says that the service manager itself does not run, so that nothing can be asked of it.
	ErrNotRunning = errors.New("systemd does not run on this machine")
	// ErrNotInstalled says that the service does not exist.
	ErrNotInstalled = errors.New("the service is not installed; 'tentacle service install' makes it")
)

// Options say how the service runs the daemon.
type Options struct {
	// Executable is the program, Home its home; both absolute.
	Executable, Home string
	// User is the account of the daemon; empty is the one that may do everything: root, LocalSystem.
	User string
	// NoRestart are the exit codes after which the daemon is not started again, as somebody has to act first.
	NoRestart []int
}

// Installed is a service that exists.
type Installed struct {
	Options // without NoRestart
	// Where is the unit's file, or the service's name on Windows.
	Where string
	// Packaged says that a package of the distribution owns it.
	Packaged bool
}

// Status is what a service manager tells of the service.
type Status struct {
	// Installed is nil where the service does not exist.
	Installed *Installed
	// Enabled says that it starts with the machine, Running that the daemon runs now.
	Enabled, Running bool
	// Manager says who tells this; Detail is its own word for the state.
	Manager, Detail string
}

// check refuses what no unit and no service can hold.
func (o Options) check() error {
	for what, path := range map[string]string{"program": o.Executable, "home": o.Home} {
		if !filepath.IsAbs(path) && !strings.HasPrefix(path, "/") {
			return fmt.Errorf("the path of the %s must be absolute, and is %q", what, path)
		}
		if !utf8.ValidString(path) || strings.ContainsFunc(path, unicode.IsControl) {
			return fmt.Errorf("the path of the %s, %q, has characters that a service cannot hold; move it", what, path)
		}
	}
	if strings.ContainsFunc(o.User, func(r rune) bool { return unicode.IsControl(r) || strings.ContainsRune(`"'%/`, r) }) || !utf8.ValidString(o.User) {
		return fmt.Errorf("%q is no name of a user (--user)", o.User)
	}
	return nil
}
