package cli

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/pending"
	"github.com/mantledeploy/mantle/agent/internal/trust"
	"github.com/mantledeploy/mantle/api/halibut"
)

// pendingCommands are the commands about operators who were refused.
func (a *app) pendingCommands() []*cobra.Command {
	var all, asJSON bool
	list := &cobra.Command{
		Use: "pending", Short: "List the operators who tried and were refused", Args: exactly(0), Example: "  tentacle trust pending",
		Long: `List the operators who showed a certificate and were refused, as nobody trusts them yet:
since when, how often and from where. Compare the thumbprint with what the operator's
administrator tells you; then approve it, or ignore it. A certificate that cannot be
read has no thumbprint: its operator needs a new one.

The newest 256 are remembered, at most 16 of one address. The daemon writes the list a
second after somebody new, and at most twice a minute.`,
		RunE: func(*cobra.Command, []string) error {
			h, trusted, err := a.openTrust()
			if err != nil {
				return err
			}
			operators, err := trusted.Operators()
			if err != nil {
				return err
			}
			waiting, err := pendingFor(h, operators, all)
			if err != nil {
				return err
			}
			return a.printPending(waiting, asJSON)
		},
	}
	list.Flags().BoolVar(&all, "all", false, "also those who are ignored")
	list.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return []*cobra.Command{
		list,
		{
			Use: "approve NUMBER|THUMBPRINT...", Short: "Trust operators who were refused", Args: thumbprints, Example: "  tentacle trust pending\n  tentacle trust approve 1",
			Long: "Trust operators who tried and were refused, by their number in 'tentacle trust pending' or by a\nthumbprint. They are trusted by the SHA-256 of the certificate that they showed.",
			RunE: func(_ *cobra.Command, args []string) error { return a.trustApprove(args) },
		},
		{
			Use: "ignore NUMBER|THUMBPRINT...", Short: "List operators who were refused no longer", Args: thumbprints, Example: "  tentacle trust ignore 2",
			Long: "List these operators in 'tentacle trust pending' no longer, however often they try. They stay\nrefused, and in the audit log. 'tentacle trust approve' still takes them.",
			RunE: func(_ *cobra.Command, args []string) error { return a.trustIgnore(args) },
		},
	}
}

// pendingFor is who waits for the owner, without those who are trusted by now.
func pendingFor(h home.Home, trusted []trust.Operator, ignored bool) ([]pending.Operator, error) {
	waiting, err := pending.Read(h)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(waiting, func(o pending.Operator) bool {
		return o.Ignored && !ignored || isTrusted(trusted, o.SHA256)
	}), nil
}

func (a *app) printPending(waiting []pending.Operator, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(a.out)
		e.SetIndent("", "  ")
		return e.Encode(append([]pending.Operator{}, waiting...))
	}
	if len(waiting) == 0 {
		fmt.Fprintln(a.out, "Nobody was refused whom you have not decided about.")
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NUMBER\tTHUMBPRINT\tSHA-1\tFROM\tFIRST\tLAST\tTRIED\t")
	for _, o := range waiting {
		note := ""
		if o.Ignored {
			note = "ignored"
		}
		sha256, sha1 := string(o.SHA256), string(o.SHA1)
		if o.Unreadable != "" {
			sha256, sha1 = "none", "none"
			note = strings.TrimPrefix(note+", ", ", ") + "its certificate cannot be read (" + o.Unreadable + "): give it a new one, and trust that"
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", o.Number, sha256, sha1, o.Address,
			o.First.Format(time.RFC3339), o.Last.Format(time.RFC3339), o.Count, note)
	}
	return w.Flush()
}

// pendingByName finds the operators that args name, by number or thumbprint; each must name one.
func pendingByName(h home.Home, args []string) ([]pending.Operator, error) {
	waiting, err := pending.Read(h)
	if err != nil {
		return nil, err
	}
	var found []pending.Operator
	for _, arg := range args {
		is := func(o pending.Operator) bool { return strconv.Itoa(o.Number) == arg }
		if number, err := strconv.Atoi(arg); err != nil || number < 1 || len(arg) > 9 {
			t, err := halibut.ParseThumbprint(arg)
			if err != nil {
				return nil, usageError{fmt.Errorf("%.100q is neither a number nor a thumbprint; 'tentacle trust pending' lists both", arg)}
			}
			is = func(o pending.Operator) bool { return o.Is(t) }
		}
		var named []pending.Operator
		for _, o := range waiting {
			if is(o) {
				named = append(named, o)
			}
		}
		switch len(named) {
		case 0:
			return nil, fmt.Errorf("%s is not pending; 'tentacle trust pending --all' shows who is, and 'tentacle trust add' trusts a thumbprint in any case", arg)
		case 1:
			found = append(found, named[0])
		default:
			return nil, fmt.Errorf("%s names %d different certificates; name one by its SHA-256, and mistrust them: nobody comes by two such certificates by accident", arg, len(named))
		}
	}
	return found, nil
}

func (a *app) trustApprove(args []string) error {
	h, list, err := a.openTrust()
	if err != nil {
		return err
	}
	found, err := pendingByName(h, args)
	if err != nil {
		return err
	}
	for _, o := range found {
		if o.Unreadable != "" {
			return fmt.Errorf("the certificate of number %d cannot be read (%s): give that operator a new one, and trust that", o.Number, o.Unreadable)
		}
	}
	for _, o := range found {
		if err := a.trustOne(h, list, o.SHA256, "approved"); err != nil {
			return err
		}
	}
	a.askReload(h)
	return nil
}

func (a *app) trustIgnore(args []string) error {
	h, _, err := a.openTrust()
	if err != nil {
		return err
	}
	found, err := pendingByName(h, args)
	if err != nil {
		return err
	}
	for _, o := range found {
		if _, err := pending.Ignore(h, o.SHA256); err != nil {
			return err
		}
		if err := a.record(h, change("ignored", o.SHA256)); err != nil {
			return err
		}
		if o.Unreadable != "" {
			fmt.Fprintf(a.out, "Who comes from %s with a certificate that cannot be read is ignored.\n", o.Address)
			continue
		}
		fmt.Fprintf(a.out, "%s is ignored.\n", o.SHA256)
	}
	a.askReload(h)
	return nil
}
