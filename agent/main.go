// Command tentacle is the program on a machine that Mantle deploys to. It has three lives: the daemon that
// serves operators (`tentacle run`, with the commands that set it up), the supervisor of one script
// (`tentacle supervise DIR`), and the engine that carries out one step (`tentacle step`).
//
// The last two are started for every script and every step. They are chosen by the first word, before
// anything is set up that only people's commands need. What each command does is in agent/README.md.
package main

import (
	"os"
	"strings"

	"github.com/mantledeploy/mantle/agent/internal/cli"
	"github.com/mantledeploy/mantle/agent/internal/engine"
	"github.com/mantledeploy/mantle/agent/internal/process"
)

// version is set by the build: -ldflags "-X main.version=1.2.3".
var version string

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	if len(args) == 2 && args[0] == "supervise" && !strings.HasPrefix(args[1], "-") {
		return process.Supervise(args[1], engine.Carry)
	}
	if len(args) > 1 && args[0] == "step" && args[1] != "--help" && args[1] != "-h" {
		return engine.Main(args[1:])
	}
	if code, was := first(args); was {
		return code
	}
	return cli.Main(args, version)
}
