package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/agent/internal/process/output"
	"github.com/mantledeploy/mantle/agent/internal/scripts"
)

const (
	// someCompleted and allCompleted are how many completed scripts are listed.
	someCompleted = 20
	allCompleted  = 100_000
	// logPause is how often a log that is followed is looked at.
	logPause = 200 * time.Millisecond
)

func (a *app) scriptsCommand() *cobra.Command {
	var asJSON, all bool
	c := &cobra.Command{
		Use:   "scripts",
		Short: "List what runs or ran on this machine, and for whom",
		Long: `List the scripts that wait, run, or have ended on this machine, oldest first: their ticket,
state, exit code, since when, the process of their supervisor, and the operator that they
belong to. A completed one is one whose result its operator has fetched; the last 20 of
those are listed, or all with --all.

It only reads files: neither the daemon nor a script notices, and it works where no daemon
runs. All processes of a script are in the session with the number of its supervisor
('ps -s NUMBER').`,
		Example: `  tentacle scripts
  tentacle scripts --json | jq '.[] | select(.state == "running")'`,
		Args: noCommand,
		RunE: func(*cobra.Command, []string) error {
			completed := someCompleted
			if all {
				completed = allCompleted
			}
			return a.scripts(completed, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&all, "all", false, "list every completed script that is remembered (30 days), not only the last 20")
	c.AddCommand(a.scriptsLogs())
	return c
}

func (a *app) scripts(completed int, asJSON bool) error {
	h, err := home.Open(a.home)
	if err != nil {
		return err
	}
	seen, err := scripts.View(h, completed)
	if err != nil {
		return err
	}
	if asJSON {
		e := json.NewEncoder(a.out)
		e.SetIndent("", "  ")
		return e.Encode(append([]scripts.Seen{}, seen...))
	}
	if len(seen) == 0 {
		fmt.Fprintln(a.out, "No script is known here: none ran in the last 30 days.")
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TICKET\tSTATE\tEXIT CODE\tSINCE\tPROCESS\tOPERATOR")
	for _, s := range seen {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", printable(s.Ticket), s.State, exitCode(s), when(s.Since), processID(s), printable(short(s.Operator)))
	}
	return w.Flush()
}

func exitCode(s scripts.Seen) string {
	if s.ExitCode == nil {
		return "-"
	}
	return fmt.Sprint(*s.ExitCode)
}

func processID(s scripts.Seen) string {
	if s.Process == 0 {
		return "-"
	}
	return fmt.Sprint(s.Process)
}

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.RFC3339)
}

// short is a thumbprint as people tell them apart; --json has it whole.
func short(thumbprint string) string {
	const enough = len("sha256:") + 12
	if len(thumbprint) <= enough {
		return thumbprint
	}
	return thumbprint[:enough] + "..."
}

func (a *app) scriptsLogs() *cobra.Command {
	var follow, timestamps bool
	c := &cobra.Command{
		Use:   "logs TICKET",
		Short: "Print the output of a script",
		Long: `Print what a script has printed so far, what it wrote to standard error on standard error.
Of a large output the beginning and the end are kept, and a line says what is missing.
On a terminal control characters are replaced.

The output of a completed script is gone: its operator has fetched it, and has it in the
log of the deployment.`,
		Example: `  tentacle scripts logs run-7f3a-1
  tentacle scripts logs run-7f3a-1 --follow --timestamps`,
		Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			h, err := home.Open(a.home)
			if err != nil {
				return err
			}
			log, err := scripts.OpenLog(h, args[0])
			if err != nil {
				return logError(args[0], err)
			}
			return logError(args[0], a.printLog(c.Context(), log, follow, timestamps))
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the script ends")
	c.Flags().BoolVar(&timestamps, "timestamps", false, "begin each line with its time (UTC)")
	return c
}

func logError(ticket string, err error) error {
	switch {
	case errors.Is(err, scripts.ErrNoScript):
		return fmt.Errorf("script %q: %w; 'tentacle scripts' lists those that it knows", ticket, err)
	case errors.Is(err, scripts.ErrCompleted):
		return fmt.Errorf("script %q: %w; look there ('kubectl mantle logs', or the task log in Octopus)", ticket, err)
	case err != nil:
		return fmt.Errorf("script %q: %w", ticket, err)
	}
	return nil
}

// printLog prints what a script printed, each stream on its own, and where it ended its exit code. Only who
// reads it on a terminal gets it without control characters.
func (a *app) printLog(ctx context.Context, log *scripts.Log, follow, timestamps bool) error {
	again := time.NewTicker(logPause)
	defer again.Stop()
	for {
		lines, more, result, err := log.Next()
		for _, line := range lines {
			w := a.out
			if line.Source == output.StdErr {
				w = a.err
			}
			fmt.Fprintln(w, logLine(w, line, timestamps))
		}
		switch {
		case err != nil:
			return err
		case result != nil:
			a.tellEnd(result)
			return nil
		case more:
			continue
		case !follow:
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func logLine(w io.Writer, line output.Entry, timestamps bool) string {
	text := line.Text
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		text = printable(text)
	}
	if timestamps {
		return line.Occurred.UTC().Format("2006-01-02T15:04:05.000Z ") + text
	}
	return text
}

func (a *app) tellEnd(r *process.Result) {
	if r.Line != "" {
		fmt.Fprintln(a.err, printable(r.Line))
	}
	fmt.Fprintf(a.err, "The script ended with exit code %d.\n", r.ExitCode)
}
