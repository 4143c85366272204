package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mantledeploy/mantle/agent/internal/audit"
	"github.com/mantledeploy/mantle/agent/internal/daemon"
	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/identity"
	"github.com/mantledeploy/mantle/api/halibut"
)

func (a *app) certificateCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "certificate",
		Short: "Renew, bring in or save what this machine is known by",
		Long: `Renew, bring in or save the key and certificate of this machine. Operators know it by the
thumbprint of the certificate and by nothing else: names, dates and issuers are not looked
at. So an identity is replaced only where its key may be known to others, or to keep to a
rule of the house, and moved with 'export' and 'import' when the machine gets new hardware.

The former identity is never lost: it is kept, and 'import' puts it back.`,
		Example: `  tentacle certificate new
  tentacle certificate export web-1.pfx
  tentacle certificate import web-1.pfx`,
		Args: noCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.certificateNew(), a.certificateImport(), a.certificateExport())
	return c
}

func (a *app) certificateNew() *cobra.Command {
	var rsa bool
	c := &cobra.Command{
		Use:   "new",
		Short: "Give this machine a new key and certificate",
		Long: `Make a new key and a self-signed certificate, and put them in the place of those that
this machine is known by. No operator deploys here again before it is told the new
thumbprint, so agree on the moment with whoever keeps the operators.

The daemon shows the former identity until it is started again. Scripts that run are not
touched by that. The former identity is kept.`,
		Example: `  tentacle certificate new
  tentacle certificate new --rsa     # for an operator on .NET Framework`,
		Args: exactly(0),
		RunE: func(*cobra.Command, []string) error {
			h, err := home.Open(a.home)
			if err != nil {
				return err
			}
			p, err := identity.New(rsa)
			if err != nil {
				return err
			}
			return a.replaceIdentity(h, p)
		},
	}
	c.Flags().BoolVar(&rsa, "rsa", false, "make an RSA-2048 key, for operators on .NET Framework")
	return c
}

func (a *app) certificateImport() *cobra.Command {
	var keyFile, passwordFile string
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Give this machine the key and certificate of a file",
		Long: `Put the key and certificate of FILE in the place of those that this machine is known by:
when it takes the place of another machine, or comes from a backup, or where certificates
are issued by somebody else.

FILE is a PFX (PKCS #12), also one of .NET or of old Windows; or the base64 text that
Octopus's 'Tentacle new-certificate --export-file' writes; or PEM with certificate and key.
A certificate and a key in two PEM files are read with --key. An encrypted key in PEM is
not read: pack it into a PFX with 'openssl pkcs12 -export'.

The password of a PFX is asked for, or read from --password-file. The daemon shows the
former identity until it is started again; the former identity is kept.`,
		Example: `  tentacle certificate import web-1.pfx
  tentacle certificate import web-1.pfx --password-file /run/secrets/pfx-password
  tentacle certificate import web-1.crt --key web-1.key`,
		Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			h, err := home.Open(a.home)
			if err != nil {
				return err
			}
			p, err := a.readIdentity(c.Context(), args[0], keyFile, passwordFile)
			if err != nil {
				return err
			}
			return a.replaceIdentity(h, p)
		},
	}
	c.Flags().StringVar(&keyFile, "key", "", "PEM `file` of the private key, where FILE holds the certificate only")
	c.Flags().StringVar(&passwordFile, "password-file", "", passwordFlag)
	return c
}

// readIdentity reads an identity of a file, and asks for its password if it has one.
func (a *app) readIdentity(ctx context.Context, file, keyFile, passwordFile string) (identity.Pair, error) {
	data, err := readGiven("", file, identity.MaxFile)
	if err == nil && keyFile != "" {
		var key []byte
		key, err = readGiven("--key", keyFile, identity.MaxFile/2)
		data = bytes.Join([][]byte{data, key}, []byte("\n"))
	}
	if err != nil {
		return identity.Pair{}, err
	}
	password := ""
	if passwordFile != "" {
		if password, err = a.passwordFrom(passwordFile); err != nil {
			return identity.Pair{}, err
		}
	}
	p, err := identity.Decode(ctx, data, password)
	if errors.Is(err, identity.ErrPassword) && passwordFile == "" {
		if password, err = a.askPassword(ctx, "Password of "+file, false); err != nil {
			return identity.Pair{}, err
		}
		p, err = identity.Decode(ctx, data, password)
	}
	if err != nil && keyFile != "" {
		file += " and --key " + keyFile
	}
	if err != nil {
		return identity.Pair{}, fmt.Errorf("reading %s: %w", file, err)
	}
	return p, nil
}

// replaceIdentity gives the machine an identity, and says what that means for others.
func (a *app) replaceIdentity(h home.Home, p identity.Pair) error {
	aside, err := a.giveIdentity(h, p, func() error { return nil })
	if err != nil {
		return err
	}
	id, err := daemon.LoadIdentity(h)
	if err != nil {
		return err
	}
	if aside == "" {
		fmt.Fprintf(a.out, "This machine is known by this identity already; nothing is changed.\n\n  thumbprint  %s\n  SHA-1       %s\n", id.SHA256, id.SHA1)
		return nil
	}
	fmt.Fprintf(a.out, `This machine has another identity.

  thumbprint  %[1]s
  SHA-1       %[2]s
  before      %[3]s

Tell every operator before it deploys here again; it talks to no other certificate than the one it knows:
  Mantle   spec.thumbprint of this machine's DeploymentTarget: "%[1]s"
  Octopus  thumbprint of the deployment target: %[2]s
`, id.SHA256, id.SHA1, aside)
	return a.tellIdentity(h)
}

// giveIdentity makes p the identity of h and records that, and does also what belongs to it under the same lock.
// aside is where the former identity is; empty where there was none or it was p.
func (a *app) giveIdentity(h home.Home, p identity.Pair, also func() error) (aside string, err error) {
	err = h.Change(func() (err error) {
		if aside, err = identity.Replace(h, p); err != nil {
			return err
		}
		return also()
	})
	if aside == "" {
		return "", err
	}
	if err != nil {
		return aside, fmt.Errorf("%w; the former identity is in %s, and 'tentacle certificate import' puts it back", err, aside)
	}
	_, sha256 := thumbprintsOf(p)
	if err := a.record(h, audit.Entry{What: audit.Identity, Decision: "replaced", Operator: string(sha256)}); err != nil {
		return aside, fmt.Errorf("the identity was replaced, but that could not be recorded: %w", err)
	}
	return aside, nil
}

// tellIdentity says when a new identity takes effect.
func (a *app) tellIdentity(h home.Home) error {
	pid, running, err := h.Daemon()
	if err != nil || !running {
		return err
	}
	fmt.Fprintf(a.out, "\nThe daemon (process %d) shows the former one until it is started again; scripts that run are not touched by that.\n", pid)
	return nil
}

// thumbprints of p, as people compare them.
func thumbprintsOf(p identity.Pair) (sha1, sha256 halibut.Thumbprint) {
	return halibut.SHA1Thumbprint(p.Certificate), halibut.SHA256Thumbprint(p.Certificate)
}
