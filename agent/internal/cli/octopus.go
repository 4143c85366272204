package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/mantledeploy/mantle/agent/internal/config"
	"github.com/mantledeploy/mantle/agent/internal/daemon"
	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/identity"
	"github.com/mantledeploy/mantle/agent/internal/octopus"
	"github.com/mantledeploy/mantle/agent/internal/trust"
)

// maxMachineKey bounds the files that hold a machine's key.
const maxMachineKey = 4 << 10

// takeover is what `import --octopus` was told.
type takeover struct {
	file, machineID, machineKey string
	dryRun                      bool
}

func (a *app) importCommand() *cobra.Command {
	var t takeover
	c := &cobra.Command{
		Use:   "import --octopus FILE",
		Short: "Take over certificate, trust and port of an Octopus Tentacle",
		Long: `Take over certificate, port, listening address and trust of an Octopus Tentacle on this
machine, so that its servers go on to know it, and it them, without a change of thumbprint
on either side. FILE is the configuration of its instance; Octopus's 'Tentacle
list-instances' shows where it is.

Servers that call the Tentacle are trusted from then on. Those that it polled are listed
and left out, as a Mantle Tentacle never dials. Its folders stay where they are, and
nothing of the Octopus Tentacle is changed. What this home had before stays: its former
identity is kept, other operators remain trusted. It can be repeated.

The certificate in FILE is encrypted with a key of the machine that wrote it. On Linux that
key can be brought along from another machine; on Windows the import runs on the machine
itself.`,
		Example: `  tentacle import --octopus /etc/octopus/default/tentacle-default.config --dry-run
  tentacle import --octopus /etc/octopus/default/tentacle-default.config
  tentacle import --octopus old/tentacle.config --machine-id-file old/machine-id`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			if t.file == "" {
				return usageError{errors.New("say which configuration: tentacle import --octopus FILE (Octopus's 'Tentacle list-instances' shows where it is); a PFX or PEM is imported by 'tentacle certificate import FILE'")}
			}
			return a.takeOver(c.Context(), t)
		},
	}
	c.Flags().StringVar(&t.file, "octopus", "", "configuration `file` of the Octopus Tentacle")
	c.Flags().BoolVar(&t.dryRun, "dry-run", false, "print what would be taken, and change nothing")
	c.Flags().StringVar(&t.machineID, "machine-id-file", octopus.MachineIDFile, "`file` with the machine id of the machine that wrote the configuration (Linux)")
	c.Flags().StringVar(&t.machineKey, "machine-key-file", octopus.MachineKeyFile, "`file` with the machine key of the machine that wrote the configuration (Linux)")
	return c
}

func (a *app) takeOver(ctx context.Context, t takeover) error {
	c, p, err := t.read(ctx)
	if err != nil {
		return err
	}
	a.tellTakeover(c, p)
	if t.dryRun {
		fmt.Fprintln(a.out, "\nNothing is changed (--dry-run).")
		return nil
	}
	h, err := home.Create(a.home)
	if err != nil {
		return err
	}
	var settings config.Config
	aside, err := a.giveIdentity(h, p, func() (err error) {
		settings, err = writeSettings(h, config.Sources{Flags: map[string]string{"listen": c.Listen()}})
		return err
	})
	if err == nil {
		err = a.handOver(h, settings)
	}
	if err != nil {
		return err
	}
	list, err := trust.Open(h, slog.New(slog.DiscardHandler))
	if err != nil {
		return fmt.Errorf("%w: %w", daemon.ErrState, err)
	}
	for _, s := range c.Listening {
		if _, err := a.addTrust(h, list, s.Thumbprint, "imported"); err != nil {
			return err
		}
	}
	return a.tellTakenOver(h, c, aside)
}

// read reads the configuration and opens its certificate, with whichever key of a machine is there.
func (t takeover) read(ctx context.Context) (octopus.Config, identity.Pair, error) {
	data, err := readGiven("--octopus", t.file, octopus.MaxFile)
	if err != nil {
		return octopus.Config{}, identity.Pair{}, err
	}
	c, err := octopus.Parse(data)
	if err != nil {
		return c, identity.Pair{}, fmt.Errorf("reading %s: %w", t.file, err)
	}
	p, err := t.identity(ctx, c)
	if err != nil {
		return c, p, fmt.Errorf("reading %s: %w", t.file, err)
	}
	return c, p, nil
}

// identity opens the certificate of a configuration.
func (t takeover) identity(ctx context.Context, c octopus.Config) (identity.Pair, error) {
	keys, missing := t.keys()
	pfx, err := c.PFX(keys...)
	if err != nil {
		return identity.Pair{}, errors.Join(err, missing)
	}
	p, err := identity.Decode(ctx, pfx, "")
	if err != nil {
		return p, fmt.Errorf("its certificate: %w", err)
	}
	if sha1, _ := thumbprintsOf(p); c.Thumbprint != "" && c.Thumbprint != sha1 {
		return p, fmt.Errorf("it names the thumbprint %s and holds the certificate %s; let Octopus's 'Tentacle show-thumbprint' say which one the machine shows, and import that one's PFX with 'tentacle certificate import'", c.Thumbprint, sha1)
	}
	return p, nil
}

// keys are the keys of the machine that can be read. missing tells of those that are there and cannot.
func (t takeover) keys() (keys []octopus.Key, missing error) {
	for _, source := range []struct {
		file string
		make func(string, []byte) (octopus.Key, error)
	}{{t.machineID, octopus.MachineID}, {t.machineKey, octopus.MachineKey}} {
		data, err := home.ReadFile(source.file, maxMachineKey)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var key octopus.Key
		if err == nil {
			key, err = source.make(source.file, data)
		}
		if err != nil {
			missing = errors.Join(missing, err)
			continue
		}
		keys = append(keys, key)
	}
	return keys, missing
}

func (a *app) tellTakeover(c octopus.Config, p identity.Pair) {
	sha1, sha256 := thumbprintsOf(p)
	fmt.Fprintf(a.out, "Of the Octopus Tentacle:\n\n  thumbprint  %s\n  SHA-1       %s\n  listens on  %s\n", sha256, sha1, c.Listen())
	for i, s := range c.Listening {
		fmt.Fprintf(a.out, "  %-10s  %s\n", first(i, "trusts"), s.Thumbprint)
	}
	if len(c.Listening) == 0 {
		fmt.Fprintln(a.out, "  trusts      nobody that calls it; say whom with 'tentacle trust add THUMBPRINT'")
	}
	for i, s := range c.Polling {
		fmt.Fprintf(a.out, "  %-10s  %s %s\n", first(i, "left out"), s.Thumbprint, printable(s.Address))
	}
	if len(c.Polling) > 0 {
		fmt.Fprintln(a.out, "\nThose left out were polled. A Mantle Tentacle never dials: let such a server call it (a listening target), and trust it then.")
	}
	if c.NoListen {
		fmt.Fprintln(a.out, "\nThis Tentacle did not listen. Its port is taken as configured; open it to the operator.")
	}
	fmt.Fprintf(a.out, "\nIts folders are left as they are: %s %s\n", printable(c.Home), printable(c.Applications))
}

func (a *app) tellTakenOver(h home.Home, c octopus.Config, aside string) error {
	if aside != "" {
		fmt.Fprintf(a.out, "\nTaken over. The identity that this home had before is in %s.\n", aside)
	} else {
		fmt.Fprintln(a.out, "\nTaken over.")
	}
	fmt.Fprintf(a.out, `
Next: stop the Octopus Tentacle and keep it from starting again (both want port %d), for example with
'Tentacle service --stop --uninstall' of its instance, then start this one: 'tentacle run%s'.
Neither its servers nor Mantle need another thumbprint than the one they know.
`, c.Port, a.at())
	if err := a.tellDaemon(h, true, true); err != nil {
		return err
	}
	return a.tellIdentity(h)
}

// first is name in the first line of a list, and nothing in the others.
func first(i int, name string) string {
	if i > 0 {
		return ""
	}
	return name
}
