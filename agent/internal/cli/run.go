package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/mantledeploy/mantle/agent/internal/config"
	"github.com/mantledeploy/mantle/agent/internal/daemon"
	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/hostservice"
)

// tidyAfter is how long after the last connection the daemon gives back to the system what memory it needed: by itself it would
// keep that until it needs as much again.
const tidyAfter = 5 * time.Second

func giveBackMemory() {
	runtime.GC() // what lies in pools survives one
	debug.FreeOSMemory()
}

func (a *app) runCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon, in the foreground",
		Long: `Run the daemon of this machine's Tentacle in the foreground, as systemd and other
service managers want it. It writes its log to standard error.

SIGTERM ends it: it takes no further connections, lets requests under way finish
within a few seconds, and exits with 0. Scripts that run go on; the next daemon
finds them. SIGHUP makes it look at the list of trusted operators again, which
'tentacle trust' asks for by itself.

Every setting is a key of <home>/.tentacle/config.yaml, an environment variable and
a flag. A flag goes before the environment, and that before the file.

A service manager should start it again after the exit codes 1 and 6. The others need
somebody to act first; 'tentacle service install' sets it up so.`,
		Example: "  tentacle run\n  tentacle run --home /srv/tentacle --listen 10.0.0.5:10933",
		Args:    exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			h, err := home.Open(a.home)
			if err != nil {
				return err
			}
			executable, err := executable()
			if err != nil {
				return err
			}
			tidy := time.AfterFunc(tidyAfter, giveBackMemory)
			defer tidy.Stop()
			options := daemon.Options{Home: h, Sources: a.sources(c), Executable: executable, Version: a.version, Log: a.err,
				Connected: func() { tidy.Reset(tidyAfter) }}
			served, err := hostservice.Serve(c.Context(), func(ctx context.Context, log io.Writer) error {
				options.Log = log
				return daemon.Run(ctx, options)
			}, a.judge)
			if served || err != nil {
				return err
			}
			return daemon.Run(c.Context(), options)
		},
	}
	settingFlags(c, func(k config.Key) string { return "also " + k.Env })
	return c
}

// judge is what a service manager has to know of the error with which the daemon ended.
func (a *app) judge(err error) (text string, exit int, again bool) {
	text, exit = err.Error(), code(err)
	if what := remedy(err, a.home); what != "" {
		text += "\n" + what
	}
	return text, exit, !slices.Contains(final(), exit)
}

// executable is this program's own path without links, so that an upgrade that replaces a link
// does not change what supervises the scripts of a daemon that runs.
func executable() (string, error) {
	path, err := os.Executable()
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return "", fmt.Errorf("finding this program: %w", err)
	}
	return path, nil
}
