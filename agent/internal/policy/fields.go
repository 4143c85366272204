package policy

import (
	"path/filepath"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/mantledeploy/mantle/api/step"
)

const ruleNames = "hours, maxScripts, maxOutput, requireEngine, interpreters, users, folders, applications"

// maxScripts bounds the number that can be written. The bounds of maxOutput, in bytes: the result of a step, and the
// rows of an inventory, must fit, and a Tentacle keeps no more than that anyway.
const (
	maxScripts  = 10_000
	leastOutput = 1 << 20
	mostOutput  = 50 << 20
)

// rules reads the entry of an operator.
func (r *reader) rules(n *yaml.Node, key, operator string) Rules {
	rules := Rules{Operator: operator}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		r.bad(n, key, "has no rules; write {} where this operator may do everything")
		return rules
	}
	needEngine := map[string]*yaml.Node{}
	engineOnly := func(name string, read field) field {
		return func(n *yaml.Node, key string) {
			needEngine[name] = n
			read(n, key)
		}
	}
	r.mapping(n, key, ruleNames, map[string]field{
		RuleHours:         func(n *yaml.Node, key string) { rules.Hours = r.hours(n, key) },
		RuleMaxScripts:    func(n *yaml.Node, key string) { rules.MaxScripts = r.number(n, key) },
		RuleMaxOutput:     func(n *yaml.Node, key string) { rules.MaxOutput = r.size(n, key) },
		RuleRequireEngine: func(n *yaml.Node, key string) { rules.RequireEngine = r.boolean(n, key) },
		RuleInterpreters:  engineOnly(RuleInterpreters, func(n *yaml.Node, key string) { rules.Interpreters = r.interpreters(n, key) }),
		RuleUsers:         engineOnly(RuleUsers, func(n *yaml.Node, key string) { rules.Users = r.users(n, key) }),
		RuleFolders:       engineOnly(RuleFolders, func(n *yaml.Node, key string) { rules.Folders = r.folders(n, key) }),
		RuleApplications:  func(n *yaml.Node, key string) { rules.Applications = r.applications(n, key) },
	}, nil)
	for _, name := range []string{RuleInterpreters, RuleUsers, RuleFolders} {
		if n := needEngine[name]; n != nil && !rules.RequireEngine {
			r.bad(n, join(key, name), "holds only with requireEngine: true, as a raw script can do anything that its user can; add requireEngine: true here, or remove %s", name)
		}
	}
	return rules
}

func (r *reader) hours(n *yaml.Node, key string) *Hours {
	h, before := &Hours{}, r.mark()
	r.mapping(n, key, "timeZone, allow", map[string]field{
		"timeZone": func(n *yaml.Node, key string) {
			zone, err := parseZone(n.Value)
			if n.Kind != yaml.ScalarNode || err != nil {
				r.bad(n, key, "%s", err)
				return
			}
			h.Zone, h.location = n.Value, zone
		},
		"allow": func(n *yaml.Node, key string) {
			for _, entry := range r.list(n, key) {
				w, err := parseWindow(entry.Value)
				if err != nil {
					r.bad(entry, key, "%.100q is not understood: %s", entry.Value, err)
				}
				h.Windows = append(h.Windows, w)
			}
		},
	}, nil)
	if len(h.Windows) == 0 && r.mark() == before {
		r.bad(n, key, "allow names no time at all; %s", errWindow)
	}
	return h
}

func (r *reader) interpreters(n *yaml.Node, key string) []step.Shell {
	all := []step.Shell{}
	known := []step.Shell{step.Bash, step.PowerShell, step.Python}
	for _, entry := range r.list(n, key) {
		found := false
		for _, shell := range known {
			if strings.EqualFold(entry.Value, string(shell)) {
				all, found = append(all, shell), true
			}
		}
		if !found {
			r.bad(entry, key, "%.100q is no interpreter; write some of %s", entry.Value, words(known))
		}
	}
	return all
}

func (r *reader) users(n *yaml.Node, key string) []string {
	all, before := []string{}, r.mark()
	for _, entry := range r.list(n, key) {
		if err := step.CheckUser(entry.Value); err != nil {
			r.bad(entry, key, "the name of a user %s", err)
		}
		all = append(all, entry.Value)
	}
	if len(all) == 0 && r.mark() == before {
		r.bad(n, key, "names nobody, so that no script could run; name the users that scripts may run as")
	}
	return all
}

func (r *reader) folders(n *yaml.Node, key string) []string {
	all := []string{}
	for _, entry := range r.list(n, key) {
		if !filepath.IsAbs(entry.Value) || strings.ContainsRune(entry.Value, 0) {
			r.bad(entry, key, "%.100q is not the absolute path of a folder; write one, as %s", entry.Value, exampleFolder)
		}
		all = append(all, filepath.Clean(entry.Value))
	}
	return all
}

func (r *reader) applications(n *yaml.Node, key string) []string {
	all := []string{}
	for _, entry := range r.list(n, key) {
		if err := step.CheckSegment(entry.Value); err != nil {
			r.bad(entry, key, "%.100q is not the name of a folder below Applications, which is a namespace: %s", entry.Value, err)
		}
		all = append(all, entry.Value)
	}
	return all
}

// list is the texts of a list.
func (r *reader) list(n *yaml.Node, key string) []*yaml.Node {
	if n.Kind != yaml.SequenceNode {
		r.bad(n, key, "is no list; write [a, b], or one entry a line with a dash before it")
		return nil
	}
	if len(n.Content) > maxEntries {
		r.bad(n, key, "has %d entries; at most %d are allowed", len(n.Content), maxEntries)
		return nil
	}
	var texts []*yaml.Node
	for _, entry := range n.Content {
		if entry.Kind != yaml.ScalarNode || entry.Tag == "!!null" || entry.Anchor != "" {
			r.bad(entry, key, "has an entry that is no plain text; write texts only")
			continue
		}
		texts = append(texts, entry)
	}
	return texts
}

func (r *reader) number(n *yaml.Node, key string) int {
	v, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || v < 1 || v > maxScripts {
		r.bad(n, key, "%.100q is not a number from 1 to %d; to forbid an operator everything, end its trust ('tentacle trust remove')", n.Value, maxScripts)
	}
	return v
}

func (r *reader) boolean(n *yaml.Node, key string) bool {
	if n.Kind != yaml.ScalarNode || n.Value != "true" && n.Value != "false" {
		r.bad(n, key, "%.100q is neither true nor false", n.Value)
	}
	return n.Value == "true"
}

// size reads a number of bytes, plain or with KiB or MiB behind it.
func (r *reader) size(n *yaml.Node, key string) int64 {
	text, unit := n.Value, int64(1)
	for suffix, factor := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20} {
		if number, found := strings.CutSuffix(text, suffix); found {
			text, unit = strings.TrimSpace(number), factor
			break
		}
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if n.Kind != yaml.ScalarNode || err != nil || v < leastOutput/unit || v > mostOutput/unit {
		r.bad(n, key, "%.100q is no size from %d MiB to %d MiB; write it as 8MiB, 8192KiB or in bytes", n.Value, leastOutput>>20, mostOutput>>20)
		return 0
	}
	return v * unit
}
