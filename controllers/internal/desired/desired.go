package desired

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// Hash returns the digest of what a binding desires: the snapshot's name and the binding's spec.targets, whose order
// does not matter.
func Hash(snapshot string, targets *v1alpha1.BindingTargets) string {
	var narrowed v1alpha1.BindingTargets
	if targets != nil {
		targets.DeepCopyInto(&narrowed)
		slices.Sort(narrowed.Names)
		slices.Sort(narrowed.Roles)
	}
	content, err := json.Marshal([]any{snapshot, narrowed})
	if err != nil {
		// Strings and lists of strings always have a JSON form.
		panic(err)
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:16])
}

// RunName returns the name of the run with this number in the binding's chain. It is deterministic, so that an operator
// that crashed after it created the run finds the run and does not create a second one. It begins with the binding and
// the number, so that the runs of a binding sort by age.
func RunName(binding *v1alpha1.ReleaseBinding, hash, retry string, sequence int64) string {
	number := strconv.FormatInt(sequence, 10)
	sum := sha256.Sum256([]byte(strings.Join([]string{string(binding.UID), hash, retry, number}, "\x00")))
	suffix := strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:]))
	return fmt.Sprintf("%s-%05d-%s", binding.Name, sequence, suffix[:10])
}

// Desired returns the targets of the environment that the binding selects and at least one step addresses, by name.
func Desired(spec v1alpha1.ReleaseBindingSpec, steps []v1alpha1.Step, targets []v1alpha1.DeploymentTarget) []v1alpha1.DeploymentTarget {
	var desired []v1alpha1.DeploymentTarget
	for i := range targets {
		t := &targets[i]
		if slices.Contains(t.Spec.Environments, spec.Environment) && Selects(spec.Targets, t) && Addressed(steps, t) {
			desired = append(desired, *t)
		}
	}
	slices.SortFunc(desired, func(a, b v1alpha1.DeploymentTarget) int { return strings.Compare(a.Name, b.Name) })
	return desired
}

// Addressed reports whether at least one step addresses the target in a run without failures: steps that only run after a
// failure do not count.
func Addressed(steps []v1alpha1.Step, target *v1alpha1.DeploymentTarget) bool {
	return slices.ContainsFunc(steps, func(s v1alpha1.Step) bool { return addresses(s, target) })
}

// addresses reports whether the step addresses the target in a run without failures.
func addresses(s v1alpha1.Step, target *v1alpha1.DeploymentTarget) bool {
	return s.Addresses(target.Spec.Roles) && s.GetCondition() != v1alpha1.ConditionFailure
}

// StepNames returns the names of the steps with these indexes.
func StepNames(steps []v1alpha1.Step, indexes []int32) []string {
	var names []string
	for _, i := range indexes {
		if i >= 0 && int(i) < len(steps) {
			names = append(names, string(steps[i].Name))
		}
	}
	return names
}

// Selects reports whether a binding's spec.targets selects the target; nil selects all.
func Selects(narrow *v1alpha1.BindingTargets, t *v1alpha1.DeploymentTarget) bool {
	if narrow == nil {
		return true
	}
	if len(narrow.Names) > 0 && !slices.Contains(narrow.Names, v1alpha1.ObjectName(t.Name)) {
		return false
	}
	return len(narrow.Roles) == 0 || slices.ContainsFunc(narrow.Roles, func(r v1alpha1.Role) bool {
		return slices.Contains(t.Spec.Roles, r)
	})
}

// Reach says whether a binding can deploy to a target now.
type Reach string

// The values of Reach.
const (
	// Reachable targets can be deployed to.
	Reachable Reach = "Reachable"
	// Away targets are unavailable or untrusted; they converge when they are reachable and trusted again.
	Away Reach = "Away"
	// Cordoned targets are excluded by their spec.cordoned.
	Cordoned Reach = "Cordoned"
	// Unknown targets have had no health check yet.
	Unknown Reach = "Unknown"
)

// ReachOf returns the Reach of a target. With neverChecked (its policy's interval is 0) an unknown health counts as
// reachable.
func ReachOf(t *v1alpha1.DeploymentTarget, neverChecked bool) Reach {
	if t.Spec.Cordoned {
		return Cordoned
	}
	switch t.Status.Health {
	case v1alpha1.HealthHealthy, v1alpha1.HealthHasWarnings, v1alpha1.HealthUnhealthy:
		return Reachable
	case v1alpha1.HealthUnavailable, v1alpha1.HealthUntrusted:
		return Away
	default:
		if neverChecked {
			return Reachable
		}
		return Unknown
	}
}

// JournalRead reports whether the machine's own journal was read, from a machine with the present certificate.
func JournalRead(t *v1alpha1.DeploymentTarget) bool {
	read := t.Status.JournalRead
	if read == nil {
		return false
	}
	return t.Status.Certificate == nil || t.Status.Certificate.SHA256 == "" || t.Status.Certificate.SHA256 == read.Certificate
}
