package tentacletest

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// Script is what a Fake runs in the place of a ticket's script, once it has its mutex. It returns the exit
// code. The context ends when the script is cancelled; the exit code is ExitCanceled then whatever it returns.
// A script that differs from ticket to ticket looks at the Execution.
type Script func(ctx context.Context, e *Execution) int32

// Execution is one run of one ticket's script.
type Execution struct {
	// Command is what was sent; its files are in Files.
	Command tentacle.StartScriptCommandV2
	// Operator is the SHA-256 thumbprint of who sent it.
	Operator halibut.Thumbprint
	// Files are the contents that travelled with the command, by name.
	Files map[string][]byte
	// Folder is where Bash runs; it is not made for other scripts, and empty without Options.Root.
	Folder string

	machine *machine
	ticket  *ticket
}

// Print writes text to a stream of the script: each line becomes an entry.
func (e *Execution) Print(source tentacle.ProcessOutputSource, text string) {
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		e.entry(source, line)
	}
}

// entry adds a line, in pieces where it is too long for one entry.
func (e *Execution) entry(source tentacle.ProcessOutputSource, line string) {
	line = strings.ToValidUTF8(line, string(utf8.RuneError))
	e.machine.mu.Lock()
	defer e.machine.mu.Unlock()
	for len(line) > tentacle.MaxEntry && !e.machine.octopus() {
		cut := tentacle.MaxEntry
		for !utf8.RuneStart(line[cut]) {
			cut--
		}
		e.ticket.add(source, line[:cut])
		line = line[cut:]
	}
	e.ticket.add(source, line)
}

// Prints is a script that writes lines to StdOut and ends with the exit code.
func Prints(exitCode int32, lines ...string) Script {
	return func(_ context.Context, e *Execution) int32 {
		for _, line := range lines {
			e.Print(tentacle.StdOut, line)
		}
		return exitCode
	}
}

// Holds is a script that runs until release is closed, or until it is cancelled, and then does the next.
func Holds(release <-chan struct{}, next Script) Script {
	return func(ctx context.Context, e *Execution) int32 {
		select {
		case <-release:
			return next(ctx, e)
		case <-ctx.Done():
			return tentacle.ExitCanceled
		}
	}
}
