package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/hostservice"
)

func (a *app) serviceStatusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Tell whether the service is installed and the daemon runs, and which scripts do",
		Long: `Tell of the service, of the daemon, and of the scripts that run or wait. The exit
code is 0 where the daemon runs, and 1 where it does not.`,
		Example: "  tentacle service status",
		Args:    exactly(0),
		RunE:    func(c *cobra.Command, _ []string) error { return a.serviceStatus(c) },
	}
}

func (a *app) serviceStatus(c *cobra.Command) error {
	status, err := a.systemStatus(c)
	if err != nil {
		return err
	}
	h, err := home.Open(a.home)
	if err != nil {
		return err
	}
	pid, running, err := h.Daemon()
	if err != nil {
		return err
	}
	daemon := "does not run"
	if running {
		daemon = fmt.Sprintf("runs (process %d)", pid)
	}
	fmt.Fprintf(a.out, "%-12s%s\n%-12s%s\n", "daemon", daemon, "home", h.Dir())
	if err := a.listScripts(h); err != nil {
		return err
	}
	if running {
		return nil
	}
	how := "tentacle service start"
	if status.Installed == nil {
		how = "tentacle service install --start"
	}
	return fmt.Errorf("the daemon does not run; start it with '%s'", how)
}

// systemStatus prints what the service manager tells, and sets the home to the service's where none was given.
func (a *app) systemStatus(c *cobra.Command) (status hostservice.Status, err error) {
	s, err := hostservice.Open()
	if errors.Is(err, hostservice.ErrUnsupported) {
		fmt.Fprintf(a.out, "%-12s%s\n", "service", err)
		return status, nil
	}
	if err != nil {
		return status, err
	}
	defer s.Close() //nolint:errcheck // nothing depends on it
	status, err = a.service(c, s)
	if errors.Is(err, hostservice.ErrNotInstalled) {
		fmt.Fprintf(a.out, "%-12s%s\n", "service", err)
		return hostservice.Status{}, nil
	}
	if err != nil {
		return status, err
	}
	there, enabled := status.Installed, "does not start with the machine"
	if status.Enabled {
		enabled = "starts with the machine"
	}
	account := there.User
	if account == "" {
		account = "the one that may do everything"
	}
	for _, row := range [][2]string{
		{"service", there.Where}, {"state", fmt.Sprintf("%s (%s); %s", status.Detail, status.Manager, enabled)},
		{"program", there.Executable}, {"account", account},
	} {
		fmt.Fprintf(a.out, "%-12s%s\n", row[0], row[1])
	}
	return status, nil
}
