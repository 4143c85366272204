package cli

import (
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mantledeploy/mantle/agent/internal/config"
	"github.com/mantledeploy/mantle/agent/internal/daemon"
	"github.com/mantledeploy/mantle/agent/internal/firewall"
	"github.com/mantledeploy/mantle/agent/internal/home"
)

func (a *app) firewallCommand() *cobra.Command {
	var from []string
	var format string
	c := &cobra.Command{
		Use:   "firewall --from NETWORK",
		Short: "Print the one firewall rule that this machine needs",
		Long: `Print the one rule that a firewall needs for this machine's Tentacle: TCP to its port, from
where operators come. It needs no rule for the other direction, as it never dials.

It is written for the firewall that this machine seems to have, or the one that --format
names. Nothing is changed: read it, ask for it, or run it. The commands are on standard
output, remarks on standard error.`,
		Example: `  tentacle firewall --from 10.20.0.0/24
  tentacle firewall --from 10.20.0.0/24 --from fd00:20::/64 --format iptables
  tentacle firewall --from 10.20.0.7 --format ufw | sudo sh`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			prefixes, err := firewall.ParseFrom(from)
			if err != nil {
				return usageError{err}
			}
			h, err := home.Open(a.home)
			if err != nil {
				return err
			}
			settings, err := daemon.Settings(h, a.sources(c))
			if err != nil {
				return err
			}
			return a.firewall(settings, firewall.Rule{Port: settings.Port(), From: prefixes}, firewall.Format(format))
		},
	}
	c.Flags().StringArrayVar(&from, "from", nil, "`network` or address that operators come from, as 10.0.0.0/24 or fd00::7; may be repeated")
	c.Flags().StringVar(&format, "format", "", "`firewall`: nft, iptables, ufw, firewalld or netsh; by default what this machine seems to have")
	return c
}

// firewall prints the rule on standard output, so that it can be kept or run, and all else on standard error.
func (a *app) firewall(c config.Config, rule firewall.Rule, format firewall.Format) error {
	if format == "" {
		var why string
		var ok bool
		if format, why, ok = firewall.Detect(runtime.GOOS, os.DirFS("/")); format == "" {
			return usageError{fmt.Errorf("which firewall this machine has cannot be told; say --format, one of %s", firewall.Names())}
		}
		guess := "This is for " + string(format) + ", as " + why + "."
		if !ok {
			guess += " Choose another with --format."
		}
		fmt.Fprintln(a.err, guess)
	}
	lines, err := rule.Lines(format)
	if err != nil {
		return usageError{err}
	}
	if host := c.Listen[:strings.LastIndexByte(c.Listen, ':')]; loopback(host) {
		fmt.Fprintf(a.err, "The Tentacle listens on %s, which nobody outside reaches: it needs another setting 'listen' before a rule helps.\n", c.Listen)
	}
	if rule.Everybody() {
		fmt.Fprintln(a.err, "This lets in everybody. The Tentacle obeys only whom you trusted, but name the operator's network if you can.")
	}
	for _, line := range lines {
		fmt.Fprintln(a.out, line)
	}
	if format == firewall.NFT || format == firewall.IPTables {
		fmt.Fprintln(a.err, "The rule is gone with the next boot unless it is also in what the machine loads then (for nft /etc/nftables.conf). Adjust its table and chain where yours have other names.")
	}
	return nil
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.IsLoopback()
}
