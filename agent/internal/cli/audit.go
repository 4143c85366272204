package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/mantledeploy/mantle/agent/internal/audit"
	"github.com/mantledeploy/mantle/agent/internal/home"
)

// followPause is how often `audit -f` looks for new lines.
const followPause = 500 * time.Millisecond

// errTampered is the outcome of a verification that found something.
var errTampered = errors.New("the audit log is not as it was written")

func (a *app) auditCommand() *cobra.Command {
	var follow, asJSON bool
	var last int
	c := &cobra.Command{
		Use:   "audit",
		Short: "Show what operators asked of this machine, and what became of it",
		Long: `Show the audit log: every connection, script and transfer of an operator with how it
was decided, every refusal, and every change of trust. It holds digests of scripts,
never their text, arguments, files or variables.

Without flags it prints all that is kept, oldest first. With -f it goes on with what
is added, until it is interrupted. With --json it prints the lines as they are kept.

'tentacle audit verify' checks that nothing in it was changed or taken away.`,
		Example: "  tentacle audit -n 50\n  tentacle audit -f\n  tentacle audit --json | jq 'select(.decision==\"refused\")'",
		Args:    noCommand,
		RunE: func(c *cobra.Command, _ []string) error {
			h, err := home.Open(a.home)
			if err != nil {
				return err
			}
			if last < 0 {
				return usageError{errors.New("--lines takes a number from 0 up")}
			}
			if follow && !c.Flags().Changed("lines") {
				last = 10
			}
			return a.showAudit(c, h, follow, asJSON, last)
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what is added")
	c.Flags().IntVarP(&last, "lines", "n", 0, "print only this `number` of the last lines (0 is all; with -f, 10 unless it is given)")
	c.Flags().BoolVar(&asJSON, "json", false, "print the lines as they are kept, as JSON")
	c.AddCommand(a.auditVerifyCommand())
	return c
}

func (a *app) showAudit(c *cobra.Command, h home.Home, follow, asJSON bool, last int) error {
	r := audit.NewReader(h.Audit())
	defer r.Close()
	show := func(line []byte, e audit.Entry) (err error) {
		if asJSON {
			_, err = fmt.Fprintf(a.out, "%s\n", line)
		} else {
			_, err = fmt.Fprintln(a.out, e.Text())
		}
		return err
	}
	if err := firstLines(r, last, show); err != nil || !follow {
		return err
	}
	again := time.NewTicker(followPause)
	defer again.Stop()
	for {
		select {
		case <-c.Context().Done():
			return nil
		case <-again.C:
			if err := r.Next(show); err != nil {
				return err
			}
		}
	}
}

// firstLines shows the last so many lines that are there; 0 is all.
func firstLines(r *audit.Reader, last int, show func([]byte, audit.Entry) error) error {
	if last == 0 {
		return r.Next(show)
	}
	type kept struct {
		line  []byte
		entry audit.Entry
	}
	var ring []kept
	err := r.Next(func(line []byte, e audit.Entry) error {
		ring = append(ring, kept{append([]byte(nil), line...), e})
		if len(ring) >= 2*last {
			ring = append(ring[:0], ring[len(ring)-last:]...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, k := range ring[max(len(ring)-last, 0):] {
		if err := show(k.line, k.entry); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) auditVerifyCommand() *cobra.Command {
	var given string
	var asJSON bool
	c := &cobra.Command{
		Use:   "verify",
		Short: "Check that nothing in the audit log was changed or taken away",
		Long: `Check the audit log: each line holds the hash of the one before, and the end of this
chain, the head, is kept beside the log. A line that was edited, removed or put
elsewhere, and a tail that was cut, are named with their file and line, and the exit
code is 8.

Who can write the Tentacle's state folder can also write a whole new log that fits
itself. Against that helps a head of an earlier time from elsewhere: 'tentacle show'
prints it, and Mantle's operator keeps it with the machine
(kubectl get dt NAME -o yaml: mantle.audit=COUNT:HASH). Give it with --head.`,
		Example: "  tentacle audit verify\n  tentacle audit verify --head 4711:0f3a…",
		Args:    exactly(0),
		RunE: func(*cobra.Command, []string) error {
			h, err := home.Open(a.home)
			if err != nil {
				return err
			}
			return a.verifyAudit(h, given, asJSON)
		},
	}
	c.Flags().StringVar(&given, "head", "", "a `head` from elsewhere, as COUNT:HASH, that the log must contain")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (a *app) verifyAudit(h home.Home, given string, asJSON bool) error {
	var head *audit.Head
	if given != "" {
		parsed, err := audit.ParseHead(given)
		if err != nil {
			return usageError{fmt.Errorf("--head: %w", err)}
		}
		head = &parsed
	}
	report, err := audit.Verify(h.Audit(), head)
	if err != nil {
		return err
	}
	if asJSON {
		e := json.NewEncoder(a.out)
		e.SetIndent("", "  ")
		if err := e.Encode(report); err != nil {
			return err
		}
	} else {
		a.printReport(report)
	}
	if len(report.Findings) > 0 {
		return fmt.Errorf("%w; keep a copy of %s before you do anything else", errTampered, h.Audit())
	}
	return nil
}

func (a *app) printReport(r audit.Report) {
	for _, n := range r.Notes {
		fmt.Fprintf(a.out, "note: %s\n", n)
	}
	for _, f := range r.Findings {
		fmt.Fprintf(a.out, "%s\n", f)
	}
	switch {
	case len(r.Findings) > 0:
	case r.Head.Count == 0:
		fmt.Fprintln(a.out, "The audit log has no line yet.")
	default:
		fmt.Fprintf(a.out, "The audit log holds: lines %d to %d, in %d files. Its head is %s\n", r.First, r.Head.Count, r.Files, r.Head)
	}
}

// record writes what a command is about to change, or has changed, into the audit log.
func (a *app) record(h home.Home, entries ...audit.Entry) error {
	log, err := audit.Open(h.Audit(), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	user := audit.LocalUser(a.env)
	for _, e := range entries {
		e.User = user
		if err = log.Append(e); err != nil {
			break
		}
	}
	return errors.Join(err, log.Close())
}
