package cli

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/mantledeploy/mantle/agent/internal/config"
	"github.com/mantledeploy/mantle/agent/internal/daemon"
	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/identity"
	"github.com/mantledeploy/mantle/agent/internal/trust"
	"github.com/mantledeploy/mantle/api/halibut"
)

func (a *app) initCommand() *cobra.Command {
	var trusted []string
	var rsa bool
	c := &cobra.Command{
		Use:   "init",
		Short: "Make the home, key, certificate and settings of this machine's Tentacle",
		Long: `Make a Tentacle on this machine: its home with all folders, a key and a self-signed
certificate, and a settings file with a comment for every key. It prints the
thumbprint by which operators know the machine.

It can be repeated, as a machine's automation does: a key and certificate that are
there stay, settings given as flags are changed, operators given by --trust are
added, and nothing is ever taken away. Settings of the environment are not written.

The key is ECDSA P-256, which every operator on .NET 8 or later and Mantle
understand. Choose --rsa for an operator on an old Windows (.NET Framework).`,
		Example: `  tentacle init --trust 36F35047CE8B000CF4C671819A2DD1AFCDE3403D
  tentacle init --home /srv/tentacle --listen 10.0.0.5:10933 --address web-1.example.com:10933
  useradd --system --user-group deploy && tentacle init --script-user deploy`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			thumbprints, err := parseAll(trusted)
			if err != nil {
				return fmt.Errorf("--trust: %w", err)
			}
			return a.initialise(a.sources(c), thumbprints, rsa)
		},
	}
	settingFlags(c, func(k config.Key) string { return "key " + k.Name })
	c.Flags().StringArrayVar(&trusted, "trust", nil, "`thumbprint` of an operator to trust: 40 hex digits, or sha256: and 64; may be repeated")
	c.Flags().BoolVar(&rsa, "rsa", false, "make an RSA-2048 key, for operators on .NET Framework")
	return c
}

func (a *app) initialise(s config.Sources, trusted []halibut.Thumbprint, rsa bool) error {
	settings, err := config.Load(config.Sources{Flags: s.Flags}) // a wrong flag is said before anything is made
	if err != nil {
		return fmt.Errorf("%w: %w", daemon.ErrConfig, err)
	}
	h, err := home.Create(a.home)
	if err != nil {
		return err
	}
	var made bool
	var id *daemon.Identity
	err = h.Change(func() (err error) {
		if id, made, err = ownIdentity(h, rsa); err != nil {
			return err
		}
		settings, err = writeSettings(h, s)
		return err
	})
	if err != nil {
		return err
	}
	if err := a.handOver(h, settings); err != nil {
		return err
	}
	list, err := trust.Open(h, slog.New(slog.DiscardHandler))
	if err != nil {
		return fmt.Errorf("%w: %w", daemon.ErrState, err)
	}
	for _, t := range trusted {
		if _, err := a.addTrust(h, list, t, "added"); err != nil {
			return err
		}
	}
	operators, err := list.Operators()
	if err != nil {
		return err
	}
	a.tellInit(h, id, settings, len(operators), made)
	return a.tellDaemon(h, len(trusted) > 0, len(s.Flags) > 0)
}

// ownIdentity reads the identity of h, or makes one where there is none.
func ownIdentity(h home.Home, rsa bool) (id *daemon.Identity, made bool, err error) {
	_, noKey := os.Lstat(h.Key())
	_, noCertificate := os.Lstat(h.Certificate())
	if errors.Is(noKey, fs.ErrNotExist) && noCertificate == nil {
		return nil, false, fmt.Errorf("%w: the certificate %s is there but its key %s is not; put the key back from a backup, or move the certificate away to get a new identity",
			daemon.ErrState, h.Certificate(), h.Key())
	}
	if errors.Is(noCertificate, fs.ErrNotExist) { // a key alone is from an init that was cut off
		p, err := identity.New(rsa)
		if err != nil {
			return nil, false, err
		}
		if _, err := identity.Replace(h, p); err != nil {
			return nil, false, err
		}
		made = true
	}
	if id, err = daemon.LoadIdentity(h); err != nil {
		return nil, false, err
	}
	if _, elliptic := id.Certificate.PrivateKey.(*ecdsa.PrivateKey); rsa && elliptic {
		return nil, false, fmt.Errorf("%w: this Tentacle has an ECDSA key already, which --rsa does not replace; "+
			"to give the machine a new identity run 'tentacle certificate new --rsa', and tell the operator its new thumbprint", daemon.ErrState)
	}
	return id, made, nil
}

// writeSettings puts the flags into the settings file, and writes it if it is new or they changed it.
func writeSettings(h home.Home, s config.Sources) (config.Config, error) {
	c, err := daemon.Settings(h, config.Sources{Flags: s.Flags})
	if err != nil {
		return config.Config{}, err
	}
	_, missing := os.Lstat(h.Config())
	if missing == nil && len(s.Flags) == 0 {
		return c, nil
	}
	return c, home.WriteFile(h.Config(), c.Format())
}

func (a *app) tellInit(h home.Home, id *daemon.Identity, c config.Config, operators int, made bool) {
	what := "This machine has a Tentacle already; its key and certificate are unchanged."
	if made {
		what = "Made a Tentacle."
	}
	fmt.Fprintf(a.out, "%s\n\n  home        %s\n  thumbprint  %s\n  SHA-1       %s\n  listens on  %s\n  trusts      %s\n\n",
		what, h.Given(), id.SHA256, id.SHA1, c.Listen, count(operators))
	at := a.at()
	fmt.Fprintf(a.out, "Next: open the TCP port to the operator, start it with 'tentacle service install --start%s'\n(or 'tentacle run%s' under another service manager), and commit what\n'tentacle show --manifest%s' prints.\n", at, at, at)
	if operators == 0 {
		fmt.Fprintf(a.out, "It obeys nobody until you say whom: tentacle trust add THUMBPRINT%s\n", at)
	}
}

// tellDaemon lets a daemon that runs already know, and says what it cannot take over while it runs.
func (a *app) tellDaemon(h home.Home, trustChanged, settingsChanged bool) error {
	_, running, err := h.Daemon()
	if err != nil || !running {
		return err
	}
	if settingsChanged {
		fmt.Fprintln(a.out, "A daemon runs; changed settings take effect when it is started again.")
	}
	if trustChanged {
		a.askReload(h)
	}
	return nil
}

func count(operators int) string {
	switch operators {
	case 0:
		return "nobody yet"
	case 1:
		return "1 operator"
	default:
		return fmt.Sprintf("%d operators", operators)
	}
}
