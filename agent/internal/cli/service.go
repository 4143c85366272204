package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/hostservice"
)

func (a *app) serviceCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "service",
		Short: "Run the daemon as a service of this machine: systemd, or Windows",
		Long: `Let this machine's service manager run the daemon: systemd on Linux, the service
control manager on Windows (call it as administrator there).

Scripts belong to the operators that started them, not to the daemon: they go on
when it is stopped, started again or replaced, and the next one finds them.

Where --home is not given, the home of the installed service is meant.`,
		Example: "  tentacle service install --start\n  tentacle service status",
		Args:    noCommand,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.serviceInstallCommand(), a.serviceUninstallCommand(), a.serviceStartCommand(), a.serviceStopCommand(), a.serviceStatusCommand())
	return c
}

func (a *app) serviceInstallCommand() *cobra.Command {
	var account string
	var start, replace bool
	c := &cobra.Command{
		Use:   "install",
		Short: "Install the service for a home, or change it",
		Long: `Install a service that runs this program for the home, and that starts with the
machine. The home must have been made by 'tentacle init'. It can be repeated.

On Linux it writes /etc/systemd/system/tentacle.service. Nothing in it restricts
what the daemon may do, as every script would inherit that. Where systemd does not
run, as in an image that is being built, it writes the unit and says what is left.

With --user the daemon runs as that account, to which the home must belong: also what
is put there later, such as a policy ('tentacle doctor' finds what does not). On Linux
it may then still run scripts as other users; on Windows the account must be one
without a password, such as NT SERVICE\tentacle.

With --replace this program takes the place of the installed one, and the daemon is
started again if it ran. Scripts that run go on. Packages of a distribution do
this by themselves.`,
		Example: `  tentacle service install --start
  chown -R tentacle: /srv/tentacle
  tentacle service install --home /srv/tentacle --user tentacle
  ./tentacle-1.5.0 service install --replace`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withSystem(func(s *hostservice.System) error {
				switch {
				case replace && (account != "" || start):
					return usageError{errors.New("--replace keeps the account, and starts what ran: it goes without --user and --start")}
				case replace:
					return a.replaceService(c, s)
				}
				return a.installService(c.Context(), s, account, start)
			})
		},
	}
	c.Flags().StringVar(&account, "user", "", "`account` of the daemon; root or LocalSystem unless given")
	c.Flags().BoolVar(&start, "start", false, "start the service, too")
	c.Flags().BoolVar(&replace, "replace", false, "put this program into the place of the installed one")
	return c
}

func (a *app) withSystem(f func(*hostservice.System) error) error {
	s, err := hostservice.Open()
	if err != nil {
		return err
	}
	return errors.Join(f(s), s.Close())
}

// service tells of the service that a command is about. Where no home was given, it is set to the service's;
// a service for another home than the one that was given is none.
func (a *app) service(c *cobra.Command, s *hostservice.System) (hostservice.Status, error) {
	status, err := s.Status(c.Context())
	if err != nil {
		return status, err
	}
	if status.Installed == nil {
		return status, hostservice.ErrNotInstalled
	}
	theirs := status.Installed.Home
	if theirs == "" {
		return status, nil // a unit of somebody's own
	}
	if given, ok := a.env("TENTACLE_HOME"); !c.Flags().Changed("home") && (!ok || given == "") {
		a.home = theirs
		return status, nil
	}
	ours, err := filepath.Abs(a.home)
	if err == nil && ours != filepath.Clean(theirs) {
		err = fmt.Errorf("%w: the one that is serves the home %s", hostservice.ErrNotInstalled, theirs)
	}
	return status, err
}

func (a *app) installService(ctx context.Context, s *hostservice.System, account string, start bool) error {
	h, err := home.Open(a.home)
	if err != nil {
		return err
	}
	program, err := executable()
	if err == nil {
		err = checkProgram(program, account)
	}
	if err != nil {
		return err
	}
	notes, err := s.Install(ctx, hostservice.Options{Executable: program, Home: h.Given(), User: account, NoRestart: final()})
	a.tell(notes)
	if err != nil {
		return err
	}
	if !start {
		fmt.Fprintln(a.out, "Next: tentacle service start")
		return nil
	}
	if err := s.Start(ctx); err != nil {
		return err
	}
	fmt.Fprintln(a.out, "The daemon was started; 'tentacle service status' tells of it.")
	return nil
}

// checkProgram refuses a program that others could change for a service that runs it as root, or as account.
func checkProgram(program, account string) error {
	if os.Geteuid() != 0 {
		return nil // who installs nothing for others
	}
	uid := 0
	if u, err := user.Lookup(account); err == nil {
		uid, _ = strconv.Atoi(u.Uid)
	}
	if err := home.CheckProgram(program, uid); err != nil {
		return fmt.Errorf("this program is not safe to be a service: %w", err)
	}
	return nil
}

func (a *app) replaceService(c *cobra.Command, s *hostservice.System) error {
	status, err := a.service(c, s)
	switch {
	case err != nil:
		return err
	case status.Installed.Packaged:
		return fmt.Errorf("%s belongs to a package of the distribution; install the new package instead", status.Installed.Executable)
	case status.Installed.Executable == "":
		return fmt.Errorf("%s was not written by 'tentacle service install'; replace the program that it names by hand", status.Installed.Where)
	}
	program, err := executable()
	if err != nil {
		return err
	}
	if err := hostservice.Replace(status.Installed.Executable, program); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "%s is now version %s.\n", status.Installed.Executable, a.version)
	if !status.Running {
		return nil
	}
	if err := s.Restart(c.Context()); err != nil {
		return err
	}
	fmt.Fprintln(a.out, "The daemon was started again; scripts that run went on.")
	return nil
}

func (a *app) tell(notes []string) {
	for _, note := range notes {
		fmt.Fprintln(a.out, note)
	}
}

func (a *app) serviceUninstallCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "uninstall",
		Short: "End the daemon and remove the service; scripts go on, the home stays",
		Long: `End the daemon and remove the service. Scripts that run go on; 'tentacle service stop
--scripts' before this ends them. The home, with key, trust and what is deployed,
stays: remove it by hand if the machine is to forget who it was. A unit that a
package brought is disabled, and goes with the package.`,
		Example: "  tentacle service stop --scripts\n  tentacle service uninstall",
		Args:    exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withSystem(func(s *hostservice.System) error {
				if _, err := a.service(c, s); err != nil {
					return err
				}
				notes, err := s.Uninstall(c.Context())
				a.tell(notes)
				if err == nil {
					fmt.Fprintln(a.out, "The home, with key and trust, stays where it is.")
				}
				return err
			})
		},
	}
}

func (a *app) serviceStartCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "start",
		Short: "Start the daemon",
		Long: `Let the service manager start the daemon. If it does not stay, 'journalctl -u
tentacle' says why; on Windows the event log, Application, source tentacle.`,
		Example: "  tentacle service start",
		Args:    exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withSystem(func(s *hostservice.System) error {
				_, err := a.service(c, s)
				if err == nil {
					err = s.Start(c.Context())
				}
				if err != nil {
					return err
				}
				fmt.Fprintln(a.out, "The daemon was started; 'tentacle service status' tells of it.")
				return nil
			})
		},
	}
}
