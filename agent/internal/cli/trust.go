package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/mantledeploy/mantle/agent/internal/audit"
	"github.com/mantledeploy/mantle/agent/internal/daemon"
	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/pending"
	"github.com/mantledeploy/mantle/agent/internal/trust"
	"github.com/mantledeploy/mantle/api/halibut"
)

func (a *app) trustCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "trust",
		Short: "Say whom this machine obeys",
		Long: `Say whom this machine obeys. An operator is known by the thumbprint of its certificate:
40 hex digits (SHA-1, as Octopus prints it), or sha256: and 64 hex digits. Mantle's
operator has one for each namespace (kubectl get configmap mantle-identity -n NAMESPACE
-o yaml), an Octopus Server shows its own under Configuration, Thumbprint.

A trusted operator may run any script as the user that scripts run as ('tentacle show'
says whom) and transfer files within the home, unless the owner's policy says less.
Changes take effect at once, without a restart; removing trust also ends the connections
of that operator. Scripts of its that run already go on.

An operator trusted by SHA-1 is bound to the SHA-256 of its certificate when it
connects for the first time.`,
		Example: `  tentacle trust add sha256:0c6f7d6e0f1c44a0b5b9c7d3b7b0a2b6d4a8b1c2d3e4f5061728394a5b6c7d8e
  tentacle trust list`,
		Args: noCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(
		&cobra.Command{
			Use: "list", Short: "List the trusted operators", Args: exactly(0), Example: "  tentacle trust list",
			Long: "List the trusted operators, with the SHA-256 of those trusted by SHA-1 once it is known.",
			RunE: func(*cobra.Command, []string) error { return a.trustList() },
		},
		&cobra.Command{
			Use: "add THUMBPRINT...", Short: "Trust operators", Args: thumbprints, Example: "  tentacle trust add 36F35047CE8B000CF4C671819A2DD1AFCDE3403D\n  tentacle trust add sha256:0c6f7d6e0f1c44a0b5b9c7d3b7b0a2b6d4a8b1c2d3e4f5061728394a5b6c7d8e",
			Long: "Trust the operators with these thumbprints. Compare each with what its owner tells you,\nnot with what the machine was shown. One that is trusted already is no error.",
			RunE: func(_ *cobra.Command, args []string) error { return a.trustAdd(args) },
		},
		&cobra.Command{
			Use: "remove THUMBPRINT...", Short: "End the trust in operators, and their connections", Args: thumbprints, Example: "  tentacle trust remove 36F35047CE8B000CF4C671819A2DD1AFCDE3403D",
			Long: "End the trust in the operators with these thumbprints; either thumbprint of an operator removes\nit whole. A daemon that runs closes their connections at once. What waits for its turn to run\nends as refused; scripts that run already go on.",
			RunE: func(_ *cobra.Command, args []string) error { return a.trustRemove(args) },
		},
	)
	c.AddCommand(a.pendingCommands()...)
	return c
}

func thumbprints(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usageError{fmt.Errorf("%s needs a thumbprint; it is called as: %s", c.CommandPath(), calledAs(c))}
	}
	return nil
}

func parseAll(texts []string) ([]halibut.Thumbprint, error) {
	var all []halibut.Thumbprint
	for _, text := range texts {
		t, err := halibut.ParseThumbprint(text)
		if err != nil {
			return nil, usageError{err}
		}
		all = append(all, t)
	}
	return all, nil
}

func (a *app) openTrust() (home.Home, *trust.List, error) {
	h, err := home.Open(a.home)
	if err != nil {
		return h, nil, err
	}
	list, err := trust.Open(h, slog.New(slog.DiscardHandler))
	if err != nil {
		return h, nil, fmt.Errorf("%w: %w", daemon.ErrState, err)
	}
	return h, list, nil
}

func (a *app) trustList() error {
	_, list, err := a.openTrust()
	if err != nil {
		return err
	}
	operators, err := list.Operators()
	if err != nil {
		return err
	}
	if len(operators) == 0 {
		fmt.Fprintln(a.out, "No operator is trusted. Add one: tentacle trust add THUMBPRINT")
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "THUMBPRINT\tADDED\tBOUND TO")
	for _, o := range operators {
		fmt.Fprintf(w, "%s\t%s\t%s\n", o.Thumbprint, o.Added.Format(time.RFC3339), bound(o))
	}
	return w.Flush()
}

// bound says which certificate an operator must show.
func bound(o trust.Operator) string {
	switch {
	case o.SHA256 != "":
		return string(o.SHA256)
	case len(o.Thumbprint) == 40:
		return "(at its first connection)"
	default:
		return "itself"
	}
}

func (a *app) trustAdd(args []string) error {
	all, err := parseAll(args)
	if err != nil {
		return err
	}
	h, list, err := a.openTrust()
	if err != nil {
		return err
	}
	for _, t := range all {
		if err := a.trustOne(h, list, t, "added"); err != nil {
			return err
		}
	}
	a.askReload(h)
	return nil
}

// trustOne trusts t, and says so. It is recorded first: trust that cannot be recorded is not given.
func (a *app) trustOne(h home.Home, list *trust.List, t halibut.Thumbprint, how string) error {
	added, err := a.addTrust(h, list, t, how)
	if err != nil {
		return err
	}
	if added {
		fmt.Fprintf(a.out, "%s is trusted.\n", t)
	} else {
		fmt.Fprintf(a.out, "%s is trusted already.\n", t)
	}
	return nil
}

// addTrust trusts t, and tells whether it was not trusted before.
func (a *app) addTrust(h home.Home, list *trust.List, t halibut.Thumbprint, how string) (added bool, err error) {
	operators, err := list.Operators()
	if err != nil || isTrusted(operators, t) {
		return false, err
	}
	if err := a.record(h, change(how, t)); err != nil {
		return false, fmt.Errorf("nothing was changed: %w", err)
	}
	if added, err = list.Add(t); err != nil {
		return false, errors.Join(err, a.record(h, change(how+", but it failed", t)))
	}
	if _, err := pending.Remove(h, t); err != nil {
		fmt.Fprintf(a.err, "%s stays on the list of those who were refused: %v\n", t, err)
	}
	return added, nil
}

func isTrusted(operators []trust.Operator, t halibut.Thumbprint) bool {
	return slices.ContainsFunc(operators, func(o trust.Operator) bool { return o.Thumbprint == t || o.SHA256 == t })
}

// change is a line of the audit log about a change of trust in t.
func change(how string, t halibut.Thumbprint) audit.Entry {
	return audit.Entry{What: audit.Trust, Decision: how, Operator: string(t)}
}

func (a *app) trustRemove(args []string) error {
	all, err := parseAll(args)
	if err != nil {
		return err
	}
	h, list, err := a.openTrust()
	if err != nil {
		return err
	}
	unknown := 0
	var unrecorded error
	for _, t := range all {
		removed, err := list.Remove(t)
		if err != nil {
			return err
		}
		if len(removed) == 0 {
			unknown++
			fmt.Fprintf(a.err, "%s was not trusted; 'tentacle trust list' shows who is.\n", t)
		}
		for _, o := range removed {
			fmt.Fprintf(a.out, "%s is no longer trusted.\n", o.Thumbprint)
			unrecorded = errors.Join(unrecorded, a.record(h, change("removed", o.Thumbprint))) // it must not keep anybody trusted
		}
	}
	a.askReload(h)
	if unrecorded != nil {
		return fmt.Errorf("the trust was ended, but that could not be recorded: %w", unrecorded)
	}
	if unknown > 0 {
		return fmt.Errorf("%d of %d thumbprints were not trusted", unknown, len(all))
	}
	return nil
}

// askReload tells a daemon that runs. That it cannot be told is no failure: it looks at the list at
// every request anyway.
func (a *app) askReload(h home.Home) {
	told, err := h.AskReload()
	switch {
	case err != nil:
		fmt.Fprintf(a.err, "The daemon notices at the next request; it could not be told now: %v\n", err)
	case told:
		fmt.Fprintln(a.out, "The daemon was told.")
	}
}
