package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mantledeploy/mantle/agent/internal/config"
	"github.com/mantledeploy/mantle/agent/internal/engine"
	"github.com/mantledeploy/mantle/agent/internal/home"
)

// Main runs the command that args name (without the program's own) and returns the exit code. version is
// what the build was told; empty means what Go knows of it.
func Main(args []string, version string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if version == "" {
		version = built()
	}
	return run(ctx, args, &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.LookupEnv, version: version})
}

// built is the version that Go wrote into the program.
func built() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "unknown"
	}
	return strings.TrimPrefix(info.Main.Version, "v")
}

// app is what all commands share.
type app struct {
	in       io.Reader
	out, err io.Writer
	env      func(string) (string, bool)
	version  string
	home     string
}

func run(ctx context.Context, args []string, a *app) int {
	root := a.root()
	root.SetArgs(args)
	root.SetOut(a.out)
	root.SetErr(a.err)
	c, err := root.ExecuteContextC(ctx)
	if err == nil {
		return ExitOK
	}
	fmt.Fprintf(a.err, "tentacle: %v\n", err)
	what := remedy(err, a.home)
	if _, usage := errors.AsType[usageError](err); usage && what == "" {
		what = whereToRead(c)
	}
	if what != "" {
		fmt.Fprintf(a.err, "  %s\n", what)
	}
	return code(err)
}

func (a *app) root() *cobra.Command {
	c := &cobra.Command{
		Use:   "tentacle",
		Short: "Lets trusted operators deploy to this machine",
		Long: `A Tentacle waits on one TCP port for operators whom the owner of this machine has
trusted, runs the scripts that they send and takes the files that they transfer.
It never connects to anything itself.

Setting up a machine takes four steps:

  tentacle init --trust THUMBPRINT   make its home, key, certificate and settings
  tentacle firewall --from NETWORK   print the rule that opens its port to the operator
  tentacle service install --start   let systemd or Windows run it ('tentacle run' is the daemon)
  tentacle show --manifest           print the resource to commit for this machine

One that has an Octopus Tentacle begins with 'tentacle import --octopus FILE' instead, and keeps
its thumbprint. If something does not work, 'tentacle doctor' says what and why.

Everything lies in one folder, the home: ` + a.defaultHome() + ` for you, unless --home or
the environment variable TENTACLE_HOME names another.`,
		Example: `  tentacle init --trust 36F35047CE8B000CF4C671819A2DD1AFCDE3403D
  tentacle service install --start
  tentacle doctor`,
		SilenceUsage: true, SilenceErrors: true,
		Args: noCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.CompletionOptions.DisableDefaultCmd = true
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flagError(err) })
	c.SetHelpCommand(helpCommand(c))
	c.PersistentFlags().StringVar(&a.home, "home", a.defaultHome(), "`folder` of the Tentacle (also TENTACLE_HOME)")
	c.AddCommand(
		a.initCommand(),
		a.importCommand(),
		a.certificateCommand(),
		a.firewallCommand(),
		a.serviceCommand(),
		a.runCommand(),
		a.showCommand(),
		a.trustCommand(),
		a.policyCommand(),
		a.scriptsCommand(),
		a.auditCommand(),
		a.doctorCommand(),
		a.versionCommand(),
		program("supervise DIR", "Run the script whose ticket is in DIR", superviseHelp, "  tentacle supervise /var/lib/tentacle/.tentacle/tickets/run-1"),
		program("step --plan FILE [--home DIR] [--claims]", "Carry out one step of a deployment", stepHelp,
			"  \"$MANTLE_ENGINE\" step --plan plan.json\n  \"$MANTLE_ENGINE\" step --plan plan.json --claims --home \"$TentacleHome\"", engine.Flags()),
	)
	explain(c)
	return c
}

func (a *app) defaultHome() string {
	if dir, ok := a.env("TENTACLE_HOME"); ok && dir != "" {
		return dir
	}
	return home.Default()
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Long: `Print the version of this program. A daemon that runs may be of another: that of the program
as it was when the daemon was started. Its log names it, and operators are told it.`,
		Example: "  tentacle version",
		Args:    exactly(0),
		RunE: func(*cobra.Command, []string) error {
			fmt.Fprintln(a.out, a.version)
			return nil
		},
	}
}

const (
	superviseHelp = `Run the script whose ticket is in the folder DIR, to its end and not longer. The daemon
calls this for every script, so that scripts outlive it. It is not meant for people: a
ticket that has begun is not begun again. It takes no flags.`
	stepHelp = `Carry out one step of a deployment, as the plan in FILE says: run a script, deploy
packages, tell of the machine's health or of what it holds. A script that an operator
sends calls this. It is not meant for people: a plan that has begun is not begun again,
and it exits with the code of the script that it runs.

What is deployed, and the journal of it, are in the home that --home names, or else the
environment variable TentacleHome, which a Tentacle sets for its scripts. A Tentacle that
forgets its tickets, such as Octopus's, may be sent the same step again in another folder:
with --claims the ticket is claimed in that home, and runs once.`
)

// program lists a word that package main answers. It is reached only when it was called wrongly.
func program(use, short, long, example string, flags ...*flag.FlagSet) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Long: long, Example: example,
		DisableFlagParsing: true, DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error {
			for _, arg := range args {
				if arg == "--help" || arg == "-h" {
					return c.Help()
				}
			}
			return usageError{fmt.Errorf("it is called as: tentacle %s", use)}
		},
	}
	for _, f := range flags {
		c.Flags().AddGoFlagSet(f)
	}
	return c
}

// settingFlags gives c a flag for every setting, with note behind its help. Defaults are told by words, as what is
// not given comes from elsewhere.
func settingFlags(c *cobra.Command, note func(config.Key) string) {
	for _, k := range config.Keys() {
		remarks := []string{note(k)}
		if k.Default() != "" {
			remarks = append(remarks, "default "+k.Default())
		}
		c.Flags().Var(&setting{}, k.Flag, k.Help+" ("+strings.Join(remarks, "; ")+")")
	}
}

// sources are the settings that the command line and the environment give.
func (a *app) sources(c *cobra.Command) config.Sources {
	s := config.Sources{Env: a.env, Flags: map[string]string{}}
	c.Flags().Visit(func(f *pflag.Flag) {
		if _, ok := f.Value.(*setting); ok {
			s.Flags[f.Name] = f.Value.String()
		}
	})
	return s
}

// setting is the value of a flag that config checks.
type setting struct{ text string }

func (s *setting) String() string     { return s.text }
func (s *setting) Set(v string) error { s.text = v; return nil }
func (s *setting) Type() string       { return "value" }
