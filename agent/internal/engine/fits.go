package engine

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"syscall"

	"github.com/mantledeploy/mantle/api/step"
)

// fits says by name what of a process's arguments and environment the system would refuse, and the way around; the system itself
// only says that something is too long. one is how many bytes an argument, or NAME=value, may have; 0 is no limit.
func fits(argv, env []string, one int) error {
	if one == 0 {
		return nil
	}
	for _, a := range argv {
		if len(a) > one {
			return tooLarge("an argument of %s has %d bytes, and this system (%s) gives a process at most %d in one", argv[0], len(a), runtime.GOOS, one)
		}
	}
	for _, e := range env {
		if name, _, _ := strings.Cut(e, "="); len(e) > one {
			return tooLarge("the environment variable %s has %d bytes with its name, and this system (%s) gives a process at most %d in one: %s", name, len(e), runtime.GOOS, one, around)
		}
	}
	return nil
}

// explain is err, in words where the system says that arguments and environment are too long together: how much it may be
// depends on the system, and on the limits that it has set for this process.
func explain(err error, env []string) error {
	if !errors.Is(err, syscall.E2BIG) {
		return err
	}
	all, largest, size := 0, "none", 0
	for _, e := range env {
		all += len(e)
		if len(e) > size {
			largest, _, _ = strings.Cut(e, "=")
			size = len(e)
		}
	}
	return tooLarge("all environment variables together have %d bytes, which is more than this system (%s) gives a process; the largest is %s with %d: %s", all, runtime.GOOS, largest, size, around)
}

// around is what to do where a value is too long for an environment.
const around = "have the script read a variable that is not sensitive from the JSON file that $" + step.EnvVariables +
	" names, deliver what is long as a file in a package, or split it over several variables, or steps"

func tooLarge(format string, args ...any) error {
	return &reasonError{step.ReasonEnvironmentTooLarge, fmt.Errorf(format, args...)}
}
