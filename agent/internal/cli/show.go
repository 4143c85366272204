package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mantledeploy/mantle/agent/internal/audit"
	"github.com/mantledeploy/mantle/agent/internal/config"
	"github.com/mantledeploy/mantle/agent/internal/daemon"
	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/policy"
	"github.com/mantledeploy/mantle/agent/internal/trust"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// shown is what `show --json` prints. Fields are only ever added.
type shown struct {
	Version string             `json:"version"`
	Home    string             `json:"home"`
	SHA1    halibut.Thumbprint `json:"sha1"`
	SHA256  halibut.Thumbprint `json:"sha256"`
	Listen  string             `json:"listen"`
	Address string             `json:"address"`
	Running bool               `json:"running"`
	PID     int                `json:"pid,omitempty"`
	Policy  tentacle.Policy    `json:"policy"`
	// PolicyProblem is why the policy file cannot be used; nobody may do anything then.
	PolicyProblem string `json:"policyProblem,omitempty"`
	// ScriptUser is whom scripts run as, empty for the daemon's own user; Apart says whether that keeps them
	// from policy and audit log, and if not, Advisory says why.
	ScriptUser string           `json:"scriptUser,omitempty"`
	Apart      bool             `json:"scriptsRunApart"`
	Advisory   string           `json:"advisory,omitempty"`
	Operators  []trust.Operator `json:"operators"`
	// Audit is the head of the audit log, COUNT:HASH.
	Audit string `json:"audit"`
	// Pending is how many operators were refused, and neither approved nor ignored.
	Pending int `json:"pending"`
	// PendingProblem is why they are not known.
	PendingProblem string `json:"pendingProblem,omitempty"`

	rules      *policy.Policy
	mendPolicy string
}

func (a *app) showCommand() *cobra.Command {
	var asJSON, asManifest bool
	c := &cobra.Command{
		Use:   "show",
		Short: "Show thumbprint, address, trusted operators, policy and version",
		Long: `Show what this machine's Tentacle is: the thumbprints by which operators know it, where
they dial, whom it obeys, whether it runs, and its version.

With --manifest it prints the DeploymentTarget to commit for this machine, with
comments on what only you can fill in. With --json it prints the same facts for
programs.`,
		Example: "  tentacle show --manifest > web-1.yaml\n  tentacle show --json",
		Args:    exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			if asJSON && asManifest {
				return usageError{fmt.Errorf("--json and --manifest exclude each other")}
			}
			s, err := a.gather(a.sources(c))
			switch {
			case err != nil:
				return err
			case asManifest:
				_, err := fmt.Fprint(a.out, manifest(s))
				return err
			case asJSON:
				e := json.NewEncoder(a.out)
				e.SetIndent("", "  ")
				return e.Encode(s)
			default:
				a.print(s)
				return nil
			}
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&asManifest, "manifest", false, "print the DeploymentTarget to commit for this machine")
	return c
}

func (a *app) gather(sources config.Sources) (shown, error) {
	h, list, err := a.openTrust()
	if err != nil {
		return shown{}, err
	}
	settings, err := daemon.Settings(h, sources)
	if err != nil {
		return shown{}, err
	}
	id, err := daemon.LoadIdentity(h)
	if err != nil {
		return shown{}, err
	}
	operators, err := list.Operators()
	if err != nil {
		return shown{}, err
	}
	pid, running, err := h.Daemon()
	if err != nil {
		return shown{}, err
	}
	apart, why := daemon.ScriptsRunApart(h, settings)
	s := shown{
		ScriptUser: settings.ScriptUser, Apart: apart, Advisory: why,
		Version: a.version, Home: h.Dir(), SHA1: id.SHA1, SHA256: id.SHA256,
		Listen: settings.Listen, Address: settings.Dialled(), Running: running, PID: pid,
		Operators: append([]trust.Operator{}, operators...),
	}
	s.records(h)
	s.readPolicy(h, a.at())
	return s, nil
}

// readPolicy adds the policy as the daemon finds it, which may not be able to read what root can.
func (s *shown) readPolicy(h home.Home, at string) {
	inForce := policy.Open(policy.Config{Home: h, Apart: s.Apart})
	s.Policy = inForce.Standing()
	rules, err := inForce.Policy()
	if unusable := h.CheckReadable(h.Policy()); unusable != nil {
		rules, err = nil, unusable
	}
	s.rules = rules
	if err == nil {
		return
	}
	s.PolicyProblem = err.Error()
	s.mendPolicy = "'tentacle policy check " + h.Policy() + at + "' says what is wrong with it"
	if unusable, ok := errors.AsType[*home.UnusableError](err); ok {
		s.mendPolicy = unusable.Remedy()
	}
}

// records adds what the daemon remembers for the owner.
func (s *shown) records(h home.Home) {
	head, err := audit.ReadHead(h.Audit())
	if err != nil {
		s.Audit = err.Error()
	} else {
		s.Audit = head.String()
	}
	waiting, err := pendingFor(h, s.Operators, false)
	s.Pending = len(waiting)
	if err != nil {
		s.PendingProblem = err.Error()
	}
}

func (a *app) print(s shown) {
	state := "not running; start it with 'tentacle run'"
	if s.Running {
		state = fmt.Sprintf("running (process %d)", s.PID)
	}
	for _, row := range [][2]string{
		{"thumbprint", string(s.SHA256)},
		{"SHA-1", string(s.SHA1)},
		{"address", s.Address},
		{"listens on", s.Listen},
		{"daemon", state},
		{"home", s.Home},
		{"version", s.Version},
		{"policy", policy.Explain(s.Policy)},
		{"scripts", s.scripts()},
		{"audit head", s.Audit},
		{"trusts", count(len(s.Operators))},
	} {
		fmt.Fprintf(a.out, "%-12s%s\n", row[0], row[1])
	}
	for _, o := range s.Operators {
		fmt.Fprintf(a.out, "%-12s%s\n", "", o.Thumbprint)
	}
	if s.PendingProblem != "" {
		fmt.Fprintf(a.out, "%-12snot known: %s\n", "pending", s.PendingProblem)
	}
	if s.Pending > 0 {
		fmt.Fprintf(a.out, "%-12s%s refused and not decided about; see 'tentacle trust pending'\n", "pending", count(s.Pending))
	}
	switch {
	case s.PolicyProblem != "":
		fmt.Fprintf(a.out, "\nThe policy cannot be used, so that nobody may run or transfer anything:\n  %s\n", s.PolicyProblem)
	case s.rules != nil:
		fmt.Fprintf(a.out, "\nThe policy in force:\n\n%s", s.rules.Describe())
	}
	fmt.Fprintf(a.out, "\nNext: %s\n", s.next(a.at()))
}

// next is the one step that this machine lacks most.
func (s shown) next(at string) string {
	switch {
	case s.PolicyProblem != "":
		return "mend the policy: " + s.mendPolicy
	case len(s.Operators) == 0:
		return "say whom it obeys: tentacle trust add THUMBPRINT" + at
	case !s.Running:
		return "start it: tentacle service install --start" + at
	}
	return "commit what 'tentacle show --manifest" + at + "' prints; 'tentacle doctor" + at + "' looks it over."
}

// scripts says whom scripts run as, and what that means for the owner's control.
func (s shown) scripts() string {
	if s.Apart {
		return "run as " + s.ScriptUser + ", who cannot change policy and audit log"
	}
	return "can reach what belongs to the daemon; policy and audit log are advisory. " + s.Advisory
}

// manifest is the resource for this machine. What the machine cannot know has a placeholder that the
// API server takes, and a comment.
func manifest(s shown) string {
	host := s.Address[:max(strings.LastIndexByte(s.Address, ':'), 0)]
	return fmt.Sprintf(`# The machine %[1]s, as Mantle knows it. Commit it beside your other targets.
apiVersion: mantle.dev/v1alpha1
kind: DeploymentTarget
metadata:
  # What the machine is called in Mantle; add "namespace:" if your tooling does not.
  name: %[2]s
spec:
  # Where the operator dials. It must resolve and be open from the cluster.
  address: %[3]q
  # The machine's certificate; the operator talks to no other.
  thumbprint: %[4]q
  # The Environments that the machine belongs to, by the names of resources in the same namespace.
  environments:
    - change-me
  # What the machine does in them, as the steps of your projects call it: web, db, ...
  roles:
    - change-me
`, host, label(host), s.Address, s.SHA256)
}

// label makes a name that Kubernetes takes of a host's.
func label(host string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		default:
			return '-'
		}
	}, host)
	name = strings.Trim(name[:min(len(name), 63)], "-")
	if name == "" {
		return "change-me"
	}
	return name
}
