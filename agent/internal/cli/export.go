package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mantledeploy/mantle/agent/internal/daemon"
	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/identity"
)

// export is what `certificate export` was told.
type export struct {
	file, passwordFile, format string
	withoutKey, legacy         bool
}

func (a *app) certificateExport() *cobra.Command {
	var e export
	c := &cobra.Command{
		Use:   "export FILE",
		Short: "Save the key and certificate of this machine to a file",
		Long: `Save the key and certificate of this machine to FILE: as a backup, or to move the machine
to new hardware, where 'tentacle certificate import' takes them. How FILE ends tells the
format. It is never written over another file, and only you can read it.

A PFX is encrypted with a password, which is asked for twice or read from --password-file.
In PEM the key is in plain. With --without-key only the certificate is saved, which is
not secret.`,
		Example: `  tentacle certificate export web-1.pfx
  tentacle certificate export web-1.pfx --legacy        # for Windows before Server 2019
  tentacle certificate export web-1.crt --without-key`,
		Args: exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			e.file = args[0]
			return a.export(c.Context(), e)
		},
	}
	c.Flags().StringVar(&e.format, "format", "", "`format`: pfx or pem; by default as the name of FILE ends (.pfx, .p12; .pem, .crt, .cer, .key)")
	c.Flags().StringVar(&e.passwordFile, "password-file", "", passwordFlag)
	c.Flags().BoolVar(&e.withoutKey, "without-key", false, "save the certificate alone, in PEM; it is not secret")
	c.Flags().BoolVar(&e.legacy, "legacy", false, "write a PFX that Windows before Server 2019 can read; its encryption is weak")
	return c
}

func (a *app) export(ctx context.Context, e export) error {
	if err := e.settle(); err != nil {
		return usageError{err}
	}
	h, err := home.Open(a.home)
	if err != nil {
		return err
	}
	p, err := ownPair(ctx, h)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(e.file); err == nil {
		return existsError(e.file)
	}
	data, err := a.encode(ctx, p, e)
	if err != nil {
		return err
	}
	if err := writeNew(e.file, data); err != nil {
		return err
	}
	_, sha256 := thumbprintsOf(p)
	fmt.Fprintf(a.out, "Saved %s as %s.\n", sha256, e.file)
	if !e.withoutKey {
		fmt.Fprintln(a.out, "Who has this file can pass for this machine: keep it as you keep backups of keys.")
	}
	return nil
}

// formatOf is what the name of a file tells; empty where it tells nothing.
func formatOf(file string) string {
	return map[string]string{
		".pfx": "pfx", ".p12": "pfx", ".pem": "pem", ".crt": "pem", ".cer": "pem", ".key": "pem",
	}[strings.ToLower(filepath.Ext(file))]
}

// settle chooses the format, and finds what excludes each other.
func (e *export) settle() error {
	if e.format == "" {
		e.format = formatOf(e.file)
	}
	if e.format == "" && e.withoutKey {
		e.format = "pem"
	}
	return e.check()
}

func (e *export) check() error {
	switch {
	case e.format == "":
		return fmt.Errorf("how %s ends does not tell its format; call it .pfx or .pem, or say --format", e.file)
	case e.format != "pfx" && e.format != "pem":
		return fmt.Errorf("--format %s: there is pfx and pem", e.format)
	case e.withoutKey && (e.format == "pfx" || e.passwordFile != ""):
		return errors.New("--without-key writes PEM without a password; call the file .pem, and leave --password-file off")
	case e.format == "pem" && (e.passwordFile != "" || e.legacy):
		return errors.New("--password-file and --legacy are of PFX; a key in PEM is written in plain, to a file that only you can read")
	}
	return nil
}

func (a *app) encode(ctx context.Context, p identity.Pair, e export) ([]byte, error) {
	if e.format == "pem" {
		certificate, key, err := p.PEM()
		if e.withoutKey || err != nil {
			return certificate, err
		}
		return append(certificate, key...), nil
	}
	var password string
	var err error
	if e.passwordFile != "" {
		password, err = a.passwordFrom(e.passwordFile)
	} else {
		password, err = a.askPassword(ctx, "Password for "+e.file, true)
	}
	if err != nil {
		return nil, err
	}
	if password == "" {
		return nil, usageError{errors.New("the password is empty, and the file would hold the private key for everybody; choose one, or write PEM where that is what you want")}
	}
	return p.PFX(password, e.legacy)
}

// ownPair is the identity of h.
func ownPair(ctx context.Context, h home.Home) (identity.Pair, error) {
	if _, err := daemon.LoadIdentity(h); err != nil {
		return identity.Pair{}, err // with its remedy
	}
	certificate, err := home.ReadFile(h.Certificate(), identity.MaxFile/2)
	if err != nil {
		return identity.Pair{}, err
	}
	key, err := home.ReadFile(h.Key(), identity.MaxFile/2)
	if err != nil {
		return identity.Pair{}, err
	}
	p, err := identity.Decode(ctx, append(append(certificate, '\n'), key...), "")
	if err != nil {
		return identity.Pair{}, fmt.Errorf("%w: reading %s and %s: %w", daemon.ErrState, h.Certificate(), h.Key(), err)
	}
	return p, nil
}

func existsError(file string) error {
	return fmt.Errorf("writing %s: it is there already, and nothing is overwritten; name another file, or move that one away", file)
}

// writeNew writes a file that only its owner can read, and never over another.
func writeNew(file string, data []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return existsError(file)
	}
	if err != nil {
		return cannotWrite(file, err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(cannotWrite(file, err), os.Remove(file))
	}
	return nil
}
