package cli

import (
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/mantledeploy/mantle/agent/internal/daemon"
	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/hostservice"
)

// The exit codes of all commands but supervise and step (agent/README.md).
const (
	ExitOK             = 0
	ExitFailed         = 1 // something went wrong that may pass
	ExitUsage          = 2 // the command line is wrong
	ExitNotInitialised = 3 // there is no Tentacle in the home
	ExitConfig         = 4 // a setting is wrong
	ExitRunning        = 5 // a daemon runs for the home already
	ExitListen         = 6 // the port cannot be opened
	ExitState          = 7 // key, certificate or trust cannot be used
	ExitTampered       = 8 // the audit log is not as it was written
)

// meaning says in a few words what an exit code tells.
func meaning(code int) string {
	return map[int]string{
		ExitOK:             "done",
		ExitFailed:         "something failed that may pass; the message says what",
		ExitUsage:          "the command line is wrong",
		ExitNotInitialised: "there is no Tentacle in the home",
		ExitConfig:         "a setting, or the policy, is wrong; the message names it and its source",
		ExitRunning:        "a daemon runs for this home already",
		ExitListen:         "the port cannot be opened, for example because it is taken",
		ExitState:          "key, certificate, trust or another state file cannot be used",
		ExitTampered:       "the audit log is not as it was written",
	}[code]
}

// final are the codes of a daemon that is not to be started again before somebody has acted.
func final() []int { return []int{ExitUsage, ExitNotInitialised, ExitConfig, ExitRunning, ExitState} }

// usageError is an error of the command line itself.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// code is the exit code for the error of a command.
func code(err error) int {
	if err == nil {
		return ExitOK
	}
	if _, running := errors.AsType[*home.RunningError](err); running {
		return ExitRunning
	}
	if _, usage := errors.AsType[usageError](err); usage {
		return ExitUsage
	}
	for _, c := range []struct {
		kind error
		code int
	}{
		{home.ErrNotInitialised, ExitNotInitialised},
		{home.ErrUnsafe, ExitState},
		{daemon.ErrConfig, ExitConfig},
		{daemon.ErrListen, ExitListen},
		{daemon.ErrState, ExitState},
		{errTampered, ExitTampered},
	} {
		if errors.Is(err, c.kind) {
			return c.code
		}
	}
	return ExitFailed
}

// noAddress and inUse are what Windows calls the errors that others know by their names.
const (
	noAddress = syscall.Errno(10049)
	inUse     = syscall.Errno(10048)
)

// freePort is what to do about a port that cannot be opened.
func freePort(err error) string {
	const set = "'listen' in the configuration, --listen or TENTACLE_LISTEN"
	switch {
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, noAddress):
		return "that address is none of this machine's: set one that is, or ':PORT' for all of them, with " + set
	case errors.Is(err, fs.ErrPermission):
		return "this user may not open that port, as below 1024: set a higher one with " + set
	case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, inUse):
		return "'tentacle doctor' says what holds the port; end that, or set another with " + set
	}
	return "set another address and port with " + set
}

// remedy is what to do about an error that does not say so itself; empty where there is nothing to add.
func remedy(err error, dir string) string {
	if _, running := errors.AsType[*home.RunningError](err); running {
		return "a home has one daemon; end that one first, or give this one a home of its own (--home)"
	}
	if file, ok := errors.AsType[fileError](err); ok {
		return file.remedy
	}
	if unusable, ok := errors.AsType[*home.UnusableError](err); ok {
		return "give the daemon its file: " + unusable.Remedy()
	}
	if exposed, ok := errors.AsType[*home.ExposedError](err); ok {
		return exposed.Remedy()
	}
	switch {
	case errors.Is(err, home.ErrNotInitialised):
		return "make a Tentacle there with 'tentacle init --home " + dir + "', or name the right home with --home or TENTACLE_HOME"
	case errors.Is(err, home.ErrUnsafe):
		return "it holds the private key and must be a folder that is the Tentacle's user's alone: chmod 0700 " + filepath.Join(dir, home.StateFolder)
	case errors.Is(err, daemon.ErrListen):
		return freePort(err)
	case errors.Is(err, hostservice.ErrNotRunning):
		return "run the daemon yourself, 'tentacle run --home " + dir + "', or start the service where systemd runs"
	case errors.Is(err, fs.ErrPermission):
		return "run this as the user to whom the home belongs, root for a machine's own Tentacle"
	default:
		return ""
	}
}
