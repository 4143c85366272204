package session

import (
	"math"
	"strings"

	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/controllers/internal/text"
)

// The limits for what a machine reports about itself.
const (
	maxServices = 56 // with the other capabilities at most 64
	maxService  = 200
	maxVersion  = 64
	maxPlatform = 32
	// maxSeconds bounds the duration that a step reports: twice the longest timeout.
	maxSeconds = 2 * step.MaxTimeout
)

func clean(said string, n int) string { return text.Cut(text.Clean(said), n) }

// cleanFacts returns the facts without what cannot be shown.
func cleanFacts(f tentacle.Facts) tentacle.Facts {
	f.Version, f.OS, f.Arch = clean(f.Version, maxVersion), clean(f.OS, maxPlatform), clean(f.Arch, maxPlatform)
	f.Policy = tentacle.Policy(clean(string(f.Policy), maxPlatform))
	var services []string
	for _, service := range f.Services {
		if len(services) < maxServices && len(service) <= maxService && text.Clean(service) == service {
			services = append(services, service)
		}
	}
	f.Services = services
	return f
}

// cleanInventory returns an inventory without the rows that cannot be shown. The scanner bounds their number.
func cleanInventory(inv step.Inventory) step.Inventory {
	var installed []step.Installed
	for _, row := range inv.Installed {
		all := strings.Join([]string{row.Namespace, row.Environment, row.Project, row.Release, row.Snapshot, row.Run, row.RunUID}, "")
		if text.Clean(all) == all {
			installed = append(installed, row)
		}
	}
	inv.Installed = installed
	inv.OS, inv.Arch = clean(inv.OS, maxPlatform), clean(inv.Arch, maxPlatform)
	return inv
}

// cleanResult limits a result to what can be stored: a machine may report anything.
func cleanResult(r step.Result) step.Result {
	r.ExitCode = min(max(r.ExitCode, math.MinInt32), math.MaxInt32)
	r.Seconds = min(max(r.Seconds, 0), maxSeconds)
	r.Reason, r.Tail = text.Clean(r.Reason), clean(r.Tail, step.MaxTail)
	for name, value := range r.Outputs {
		// What cannot be shown is left out and not changed: the next step is to get what this one gave, or not to start.
		if text.Clean(name) != name || text.Clean(value) != value {
			delete(r.Outputs, name)
			r.OutputsCut = true
		}
	}
	return r
}
