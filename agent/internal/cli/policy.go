package cli

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/mantledeploy/mantle/agent/internal/config"
	"github.com/mantledeploy/mantle/agent/internal/daemon"
	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/policy"
)

func (a *app) policyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "policy",
		Short: "Check the rules that trusted operators are held to",
		Long: `Check the rules that trusted operators are held to. They are in the file policy.yaml
in the folder .tentacle of the home, and only the owner of the machine writes them.
Without the file a trusted operator may do what the user of the scripts can.

An example that lets one operator deploy packages and run Bash as the user deploy in
the evening, and every other operator nothing:

  operators:
    sha256:0c6f…:              # as 'tentacle trust list' prints it; "*" is all others
      hours:
        timeZone: Europe/Zurich
        allow: [Mon-Fri 18:00-23:00, Sat 22:00-04:00]
      maxScripts: 2            # at once
      maxOutput: 8MiB          # kept of each script's output
      requireEngine: true      # only steps of Mantle's engine, no raw scripts
      interpreters: [Bash]     # these three need requireEngine
      users: [deploy]
      folders: [/srv/shop]

Every rule may be left out, and then restricts nothing; but where scripts have a user of
their own (scriptUser), a step may run as another only if users lists that one. A change
takes effect at the next request, without a restart. A file that has an error, or that
the daemon's user cannot read, forbids everything to everybody: check a new one before
you put it in place.`,
		Example: "  tentacle policy check new-policy.yaml",
		Args:    noCommand,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(&cobra.Command{
		Use:   "check FILE",
		Short: "Say in words what a policy allows, or what is wrong with it",
		Long: `Say in words what a policy allows to whom, and whether this machine enforces it; or name
everything that is wrong with it, by line, with what to write instead. FILE need not be
in place yet: how to put it there, so that the daemon's user can read it, is printed. Of
the file in place it is checked that the daemon's user can.`,
		Example: "  tentacle policy check new-policy.yaml\n  tentacle policy check /var/lib/tentacle/.tentacle/policy.yaml",
		Args:    exactly(1),
		RunE:    func(c *cobra.Command, args []string) error { return a.policyCheck(args[0], a.sources(c)) },
	})
	return c
}

// policyCheck prints what a policy allows. What it would be worth on this machine is said where there is a Tentacle.
func (a *app) policyCheck(path string, sources config.Sources) error {
	data, err := readGiven("", path, policy.MaxFile)
	if err != nil {
		return err
	}
	p, err := policy.Parse(data)
	if file, wrong := errors.AsType[*policy.FileError](err); wrong {
		for _, problem := range file.Problems {
			fmt.Fprintf(a.err, "%s: %s\n", path, problem)
		}
		return fmt.Errorf("%w: %s has %s; in place, it would forbid everything to everybody", daemon.ErrConfig, path, problems(len(file.Problems)))
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "%s\n", p.Describe())
	return a.policyHere(p, path, sources)
}

// policyHere says what a policy would be worth on this machine, and whether the daemon could read it.
func (a *app) policyHere(p *policy.Policy, path string, sources config.Sources) error {
	h, err := home.Open(a.home)
	if err != nil {
		fmt.Fprintf(a.out, "Whether a policy is enforced on this machine is not known: there is no Tentacle in %s.\n", a.home)
		return nil //nolint:nilerr // a policy may be written before there is a Tentacle
	}
	settings, err := daemon.Settings(h, sources)
	if err != nil {
		return err
	}
	apart, _ := daemon.ScriptsRunApart(h, settings)
	fmt.Fprintf(a.out, "On this machine it is %s.\n", policy.Explain(policy.Standing(true, apart)))
	for _, folder := range p.MissingFolders() {
		fmt.Fprintf(a.out, "There is no folder %s (folders) on this machine: steps that begin in it fail until it is made.\n", folder)
	}
	if !inPlace(h, path) {
		fmt.Fprintf(a.out, "To put it in place: %s\n", putInPlace(h, path))
		return nil
	}
	if err := h.CheckReadable(path); err != nil {
		return fmt.Errorf("%w: as it is in place, it forbids everything to everybody: %w", daemon.ErrConfig, err)
	}
	return nil
}

// putInPlace is how a file becomes the policy of h at once, so that no request finds half of it or none.
func putInPlace(h home.Home, path string) string {
	owner, known := h.OwnerName()
	move := fmt.Sprintf("mv %s %s", path, h.Policy())
	switch {
	case !known:
		return fmt.Sprintf("move it to %s", h.Policy())
	case os.Geteuid() == 0:
		move = fmt.Sprintf("chown %s %s && chmod 0600 %[2]s && %s", owner, path, move)
	}
	return move
}

// inPlace says whether a file is the policy of h.
func inPlace(h home.Home, path string) bool {
	given, err := os.Stat(path)
	if err != nil {
		return false
	}
	own, err := os.Stat(h.Policy())
	return err == nil && os.SameFile(given, own)
}

func problems(n int) string {
	if n == 1 {
		return "an error"
	}
	return fmt.Sprintf("%d errors", n)
}
