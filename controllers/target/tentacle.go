package target

import (
	"slices"

	wire "github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/text"
)

// describeTentacle sets what the Tentacle reports about itself.
func describeTentacle(f facts, s *v1alpha1.DeploymentTargetStatus) {
	said := f.Found.Probe
	info := &v1alpha1.TentacleInfo{Version: text.Cut(text.Line(said.Facts.Version), 64), OS: text.Cut(text.Line(said.Facts.OS), 32), Arch: text.Cut(text.Line(said.Facts.Arch), 32), Flavor: v1alpha1.FlavorMantle, Policy: policyOf(said.Facts.Policy)}
	if said.Octopus {
		info.Flavor, info.Policy = v1alpha1.FlavorOctopus, ""
	}
	for _, capability := range said.Capabilities[:min(len(said.Capabilities), 64)] {
		info.Capabilities = append(info.Capabilities, text.Cut(text.Line(capability), 256))
	}
	s.Tentacle = info
}

// policyOf returns the API value of the policy that a machine announces; empty if it is unknown.
func policyOf(said wire.Policy) v1alpha1.MachinePolicy {
	return map[wire.Policy]v1alpha1.MachinePolicy{
		wire.PolicyNone: v1alpha1.MachinePolicyNone, wire.PolicyAdvisory: v1alpha1.MachinePolicyAdvisory, wire.PolicyEnforced: v1alpha1.MachinePolicyEnforced,
	}[said]
}

// withoutHead returns the status without the head of the machine's audit log.
func withoutHead(s *v1alpha1.DeploymentTargetStatus) *v1alpha1.DeploymentTargetStatus {
	if s.Tentacle == nil || !slices.ContainsFunc(s.Tentacle.Capabilities, wire.IsAuditHead) {
		return s
	}
	s = s.DeepCopy()
	s.Tentacle.Capabilities = slices.DeleteFunc(s.Tentacle.Capabilities, wire.IsAuditHead)
	return s
}
