package binding

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/wish"
)

const (
	// absentFor is how long a named object that is not there is waited for before the binding is Stalled.
	absentFor = time.Minute
	// skippedPause keeps a target that comes and goes from getting a run after the other.
	skippedPause = 10 * time.Second
)

// facts is all that a decision goes by. A nil pointer means that the object is not there.
type facts struct {
	Now     time.Time
	Binding *v1alpha1.ReleaseBinding
	// Release is the one that spec.release names.
	Release *v1alpha1.Release
	// Environment that spec.environment names.
	Environment *v1alpha1.Environment
	// Process is what the release froze; nil until the release is ready.
	Process *v1alpha1.ProjectSpec
	// Overlapping is the name of an older binding that selects one of the targets.
	Overlapping string
	// Desired targets, by name.
	Desired []v1alpha1.DeploymentTarget
	// Strangers are the names in spec.targets.names that no target of the environment has.
	Strangers []string
	// NeverChecked holds the names of targets whose policy never looks at them.
	NeverChecked map[string]bool
	// Chain of this binding's runs.
	Chain wish.Chain
	// Begun are the targets that began in the newest run, and Skipped those that it left out as they were away.
	Begun, Skipped map[types.UID]bool
	// Refused are the targets that failed in a Convergence of the wish and the retry token before anything began on them.
	Refused map[types.UID]bool
	// AbsentSince is when the binding first missed a named object.
	AbsentSince time.Time
}

// state is what a pass found out; one row of the table in semantics.
type state string

const (
	stateUpToDate    state = "UpToDate"    // Ready
	stateProgressing state = "Progressing" // Ready False, Reconciling
	stateHeld        state = "Held"        // Ready False, Stalled, Held
	stateWaiting     state = "Waiting"     // Ready False, Reconciling, Held: waits for a person
	stateStalled     state = "Stalled"     // Ready False, Stalled
)

// decision is what follows from the facts.
type decision struct {
	State           state
	Reason, Message string
	// Wish is the digest of what is wanted, empty while the release is not ready.
	Wish   string
	Counts v1alpha1.BindingTargetCounts
	// CurrentRun goes on.
	CurrentRun string
	// Make is the run to create, or nil.
	Make *newRun
	// Again is when to look again without an event; zero means never.
	Again time.Duration
}

type newRun struct {
	Name     string
	Purpose  v1alpha1.RunPurpose
	Retry    string
	Sequence int
	Reason   string
}

// retry is the token of the try that is asked for. Without the annotation, as where GitOps takes it away again, nothing new
// is asked for.
func (f facts) retry() string {
	token := f.Binding.Annotations[v1alpha1.AnnotationRetry]
	if newest := f.Chain.Newest(); token == "" && newest != nil {
		return newest.Annotations[v1alpha1.AnnotationHandledRetry]
	}
	return token
}

// decide says what a binding needs now. It goes from what makes a wish impossible, over what is going on, to
// what is missing.
func decide(f facts) decision {
	if d, ok := unresolved(f); ok {
		return d
	}
	d := decision{Wish: wish.Hash(f.Release.Status.Snapshot, f.Binding.Spec.Targets)}
	s := look(f)
	d.Counts = s.counts
	rules := []rule{overlaps, noTargets, running, recording, held, unread, missing, settled}
	for _, r := range rules {
		if r(f, s, &d) {
			if len(f.Strangers) > 0 {
				d.Message += fmt.Sprintf("; spec.targets.names: %s is no DeploymentTarget of environment %s", few(f.Strangers), f.Binding.Spec.Environment)
			}
			return d
		}
	}
	return d
}

// unresolved answers while a named object is missing or not ready.
func unresolved(f facts) (decision, bool) {
	b := f.Binding
	switch {
	case f.Release == nil:
		return f.absent(v1alpha1.ReasonReleaseNotFound, "spec.release: there is no Release "+string(b.Spec.Project)+"-"+string(b.Spec.Release)+
			" in this namespace; create it, or name another version"), true
	case f.Environment == nil:
		return f.absent(v1alpha1.ReasonEnvironmentNotFound, "spec.environment: there is no Environment "+string(b.Spec.Environment)+
			" in this namespace; create it"), true
	case f.Process == nil:
		return f.releaseNotReady(), true
	}
	return decision{}, false
}

func (f facts) absent(reason, message string) decision {
	since := f.AbsentSince
	if since.IsZero() {
		since = f.Now
	}
	if left := absentFor - f.Now.Sub(since); left > 0 {
		return decision{State: stateProgressing, Reason: reason, Message: message, Again: left}
	}
	return decision{State: stateStalled, Reason: reason, Message: message}
}

// survey is what a look at the desired targets found.
type survey struct {
	counts v1alpha1.BindingTargetCounts
	// outdated targets are reachable, read, and need a run; unread ones have a journal to be read first; unknown
	// ones have not been looked at; leftOut ones failed to converge.
	outdated, unread, unknown, leftOut, reachable []*v1alpha1.DeploymentTarget
}

func look(f facts) survey {
	var s survey
	failed := f.failures()
	s.counts.Desired = int32(len(f.Desired))
	for i := range f.Desired {
		s.add(f, &f.Desired[i], failed)
	}
	return s
}

// add sorts one target into the survey.
func (s *survey) add(f facts, t *v1alpha1.DeploymentTarget, failed map[types.UID]bool) {
	current := wish.UpToDate(t, f.Binding.Spec.Project, f.Binding.Spec.Environment, f.Release.Status.Snapshot)
	switch {
	case current:
		s.counts.UpToDate++
	case f.failedHere(t):
		s.counts.Failed++
	}
	switch wish.ReachOf(t, f.NeverChecked[t.Name]) {
	case wish.Away:
		s.counts.Unavailable++
		return
	case wish.Unknown:
		s.unknown = append(s.unknown, t)
		return
	case wish.Reachable:
	}
	s.reachable = append(s.reachable, t)
	if !current {
		s.counts.Outdated++
	}
	switch {
	case !wish.JournalRead(t) && !f.NeverChecked[t.Name]:
		s.unread = append(s.unread, t)
	case current:
	case f.leftOut(t, failed):
		s.leftOut = append(s.leftOut, t)
	default:
		s.outdated = append(s.outdated, t)
	}
}

// failedHere tells whether the release, as it is wished, failed on the target.
func (f facts) failedHere(t *v1alpha1.DeploymentTarget) bool {
	row := wish.Installed(t, f.Binding.Spec.Project, f.Binding.Spec.Environment)
	return f.Refused[t.UID] || row != nil && row.Phase == v1alpha1.InstalledFailed && row.Snapshot == f.Release.Status.Snapshot
}

// leftOut tells whether the target failed to converge.
func (f facts) leftOut(t *v1alpha1.DeploymentTarget, failed map[types.UID]bool) bool {
	return f.Refused[t.UID] || wish.LeftOut(t, f.Binding.Spec.Project, f.Binding.Spec.Environment, failed)
}
