package cli

import (
	"context"
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
	_, err := root.ExecuteContextC(ctx)
	if err == nil {
		return ExitOK
	}
	fmt.Fprintf(a.err, "tentacle: %v\n", err)
	if what := remedy(err, a.home); what != "" {
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
  (open TCP port 10933 to the operator, and to nobody else)
  tentacle service install --start   let systemd or Windows run it ('tentacle run' is the daemon)
  tentacle show --manifest           print the resource to commit for this machine

Everything lies in one folder, the home: ` + home.Default() + ` for you, unless --home or
the environment variable TENTACLE_HOME names another.`,
		SilenceUsage: true, SilenceErrors: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("there is no command %q", args[0])}
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.CompletionOptions.DisableDefaultCmd = true
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	c.PersistentFlags().StringVar(&a.home, "home", a.defaultHome(), "folder of the Tentacle (also TENTACLE_HOME)")
	c.AddCommand(a.initCommand(), a.runCommand(), a.showCommand(), a.trustCommand(), a.policyCommand(), a.serviceCommand(), a.versionCommand())
	c.AddCommand(a.certificateCommand(), a.importCommand(), a.firewallCommand(), a.doctorCommand(), a.scriptsCommand(), a.auditCommand())
	c.AddCommand(program("supervise DIR", "Run the script whose ticket is in DIR (called by the daemon)"))
	c.AddCommand(program("step --plan FILE", "Carry out one step of a deployment (called by scripts)"))
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
		Args:  exactly(0),
		RunE: func(*cobra.Command, []string) error {
			fmt.Fprintln(a.out, a.version)
			return nil
		},
	}
}

// program lists a word that package main answers. It is reached only when it was called wrongly.
func program(use, short string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Long: short + ". It is not meant for people.",
		DisableFlagParsing: true,
		RunE: func(c *cobra.Command, args []string) error {
			for _, arg := range args {
				if arg == "--help" || arg == "-h" {
					return c.Help()
				}
			}
			return usageError{fmt.Errorf("it is called as: tentacle %s", use)}
		},
	}
}

// exactly demands n arguments.
func exactly(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != n {
			return usageError{fmt.Errorf("%s takes %d arguments and was given %d", c.CommandPath(), n, len(args))}
		}
		return nil
	}
}

// settingFlags gives c a flag for every setting. Their defaults are shown by words, as what is not
// given comes from the environment or the file.
func settingFlags(c *cobra.Command) {
	for _, k := range config.Keys() {
		f := c.Flags().VarPF(&setting{}, k.Flag, "", k.Help+" (also "+k.Env+")")
		if k.Flag == "page" {
			f.NoOptDefVal = "true"
		}
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
