package cli

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/hostservice"
	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/agent/internal/scripts"
)

// endPatience is how long `service stop --scripts` waits for scripts: longer than it takes a supervisor to
// give one up.
const endPatience = time.Minute

func (a *app) serviceStopCommand() *cobra.Command {
	var alsoScripts bool
	c := &cobra.Command{
		Use:   "stop",
		Short: "End the daemon; list the scripts that go on, or end them too",
		Long: `End the daemon. Scripts that run go on, and are listed: the next daemon finds them
and their output. Scripts that wait for their turn wait until then.

With --scripts those are ended too, as an operator's cancel would end them: asked
first, killed ten seconds later, and reported as cancelled to whoever asks.`,
		Example: "  tentacle service stop\n  tentacle service stop --scripts",
		Args:    exactly(0),
		RunE:    func(c *cobra.Command, _ []string) error { return a.stopService(c, alsoScripts) },
	}
	c.Flags().BoolVar(&alsoScripts, "scripts", false, "end scripts that run or wait, too")
	return c
}

// stopService ends the daemon, however it came to run, or says why it cannot; then it looks after the scripts.
func (a *app) stopService(c *cobra.Command, alsoScripts bool) error {
	h, asked, err := a.stopDaemon(c)
	if err != nil {
		return err
	}
	pid, running, err := h.Daemon()
	switch {
	case err != nil:
		return err
	case running && asked == nil:
		return fmt.Errorf("the service has ended, but another daemon runs for %s (process %d); end that one by SIGTERM", h.Dir(), pid)
	case running:
		return fmt.Errorf("the daemon of %s (process %d) was not started by a service manager: %w; end it by SIGTERM to that process alone", h.Dir(), pid, asked)
	}
	fmt.Fprintln(a.out, "The daemon does not run.")
	if alsoScripts {
		return a.endScripts(c.Context(), h)
	}
	return a.listScripts(h)
}

// stopDaemon ends the service, and returns the home that it is about. asked is why no service was ended, where
// there is none for this home.
func (a *app) stopDaemon(c *cobra.Command) (h home.Home, asked, err error) {
	s, asked := hostservice.Open()
	if asked == nil {
		defer s.Close() //nolint:errcheck // nothing depends on it
		if _, asked = a.service(c, s); asked == nil {
			asked = s.Stop(c.Context())
		}
	}
	none := errors.Is(asked, hostservice.ErrUnsupported) || errors.Is(asked, hostservice.ErrNotInstalled) || errors.Is(asked, hostservice.ErrNotRunning)
	if asked != nil && !none {
		return h, nil, asked
	}
	h, err = home.Open(a.home)
	return h, asked, err
}

func (a *app) endScripts(ctx context.Context, h home.Home) error {
	ctx, cancel := context.WithTimeout(ctx, endPatience)
	defer cancel()
	ended, err := scripts.End(ctx, h.Dir())
	for _, l := range ended {
		switch {
		case l.Result != nil:
			fmt.Fprintf(a.out, "Script %s ended with the exit code %d.\n", l.Ticket, l.Result.ExitCode)
		case l.State == process.Unclaimed:
			fmt.Fprintf(a.out, "Script %s, which waited for its turn, is cancelled.\n", l.Ticket)
		default:
			fmt.Fprintf(a.out, "Script %s ended without a result; it will be reported as lost.\n", l.Ticket)
		}
	}
	if err == nil && len(ended) == 0 {
		fmt.Fprintln(a.out, "No script ran or waited.")
	}
	return err
}

// listScripts says which scripts outlive the daemon.
func (a *app) listScripts(h home.Home) error {
	all, err := scripts.List(h.Dir())
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	going := 0
	for _, l := range all {
		if l.Over() {
			continue
		}
		if going++; going == 1 {
			fmt.Fprintln(a.out, "These scripts go on without it; 'tentacle service stop --scripts' ends them:")
			fmt.Fprintln(w, "TICKET\tSTATE\tARRIVED\tSUPERVISOR\tOPERATOR")
		}
		state, pid := "running", fmt.Sprintf("process %d", l.Process)
		if l.State == process.Unclaimed {
			state, pid = "waiting", "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", l.Ticket, state, l.Arrived.Format(time.RFC3339), pid, l.Operator)
	}
	if going == 0 && err == nil {
		fmt.Fprintln(a.out, "No script runs or waits.")
	}
	return errors.Join(w.Flush(), err)
}
