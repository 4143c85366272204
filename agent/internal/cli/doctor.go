package cli

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/mantledeploy/mantle/agent/internal/config"
	"github.com/mantledeploy/mantle/agent/internal/daemon"
	"github.com/mantledeploy/mantle/agent/internal/doctor"
	"github.com/mantledeploy/mantle/agent/internal/home"
)

func (a *app) doctorCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Look for what would keep an operator from deploying here",
		Long: `Look this machine's Tentacle over: home and its permissions, locks, identity, trust, policy,
audit log, daemon, service, port, the address that operators dial, clock, disk, and interpreters.
Each line says ok, warn or fail; under those that are not ok stands what to do. Run it as
the user to whom the home belongs, or as root.

It changes nothing and connects to nobody: who holds the port is read from the system's
list of sockets. Whether operators get through to it can only be seen from their side.

The exit code is 1 where a check failed.`,
		Example: `  tentacle doctor
  tentacle doctor --json | jq '.[] | select(.state != "ok")'`,
		Args: exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			m, err := a.machine(a.sources(c))
			if err != nil {
				return err
			}
			return a.tellFindings(doctor.Examine(c.Context(), m), asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// machine gathers what the checks look at. What cannot even be opened is the command's own error.
func (a *app) machine(sources config.Sources) (m doctor.Machine, err error) {
	m = doctor.Machine{Now: time.Now(), At: a.at(), Root: "/"}
	if m.Home, err = home.Open(a.home); err != nil {
		return m, err
	}
	if m.Settings, err = daemon.Settings(m.Home, sources); err != nil {
		return m, err
	}
	if m.PID, m.Running, err = m.Home.Daemon(); err != nil {
		return m, err
	}
	m.Identity, _ = daemon.LoadIdentity(m.Home) // a check of its own tells why it cannot be read
	return m, nil
}

func (a *app) tellFindings(all []doctor.Finding, asJSON bool) error {
	failed := 0
	for _, f := range all {
		if f.State == doctor.Fail {
			failed++
		}
	}
	if asJSON {
		e := json.NewEncoder(a.out)
		e.SetIndent("", "  ")
		if err := e.Encode(all); err != nil {
			return err
		}
	} else {
		a.printFindings(all)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d checks failed; each says above what to do", failed, len(all))
	}
	return nil
}

func (a *app) printFindings(all []doctor.Finding) {
	for _, f := range all {
		fmt.Fprintf(a.out, "%-5s %-13s %s\n", f.State, f.Check, printable(f.Text))
		if f.Remedy != "" {
			fmt.Fprintf(a.out, "%-5s %-13s -> %s\n", "", "", printable(f.Remedy))
		}
	}
}
