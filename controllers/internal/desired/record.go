package desired

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

const (
	// MaxLeftOut bounds the lists of a record. With more, no target is deployed to.
	MaxLeftOut = 100
	// maxToken bounds a retry token; a longer one counts by its digest.
	maxToken = 256
	// maxHoldMessage bounds the message of a hold, in bytes.
	maxHoldMessage = 1024
)

// Retry is the token of the try that is asked for. Without the annotation, as where GitOps takes it away again, nothing
// new is asked for.
func Retry(b *v1alpha1.ReleaseBinding, chain Chain) string {
	token := b.Annotations[v1alpha1.AnnotationRetry]
	switch newest := chain.Newest(); {
	case len(token) > maxToken:
		sum := sha256.Sum256([]byte(token))
		return hex.EncodeToString(sum[:])
	case token != "":
		return token
	case b.Status.Record != nil:
		return b.Status.Record.Retry
	case newest != nil:
		return newest.Annotations[v1alpha1.AnnotationHandledRetry]
	default:
		return b.Status.LastHandledRetry
	}
}

// Recorded tells whether the binding's record has taken in how the run ended, so that the run may go.
func Recorded(b *v1alpha1.ReleaseBinding, run *v1alpha1.DeploymentRun) bool {
	return b.Status.Record != nil && b.Status.Record.Sequence >= Sequence(run)
}

// Resume is the record for what is desired now: the one that was, or a new one where another release, other targets or one
// more try are desired. A new one does not speak of runs that an earlier one took in, so going back makes a new run.
func Resume(was *v1alpha1.BindingRecord, chain Chain, hash, retry string) *v1alpha1.BindingRecord {
	switch {
	case was == nil || was.Sequence != Stored(was.Sequence):
		return &v1alpha1.BindingRecord{Hash: hash, Retry: retry, Sequence: before(chain, hash)}
	case was.Hash != hash:
		return &v1alpha1.BindingRecord{Hash: hash, Retry: retry, Sequence: was.Sequence}
	case was.Retry != retry:
		return &v1alpha1.BindingRecord{Hash: hash, Retry: retry, Sequence: was.Sequence, Deployed: was.Deployed}
	default:
		return was.DeepCopy()
	}
}

// before is the number of the newest run that ended before the youngest runs that were all made for this hash.
func before(chain Chain, hash string) int64 {
	i := len(chain)
	for i > 0 && chain[i-1].Annotations[v1alpha1.AnnotationDesiredHash] == hash {
		i--
	}
	number := int64(0)
	for j := range chain[:i] {
		if chain[j].Status.Phase.IsTerminal() {
			number = max(number, Sequence(&chain[j]))
		}
	}
	return number
}

// Unrecorded are the runs that have ended and that the record has not taken in, oldest first.
func Unrecorded(r *v1alpha1.BindingRecord, chain Chain) Chain {
	var runs Chain
	for i := range chain {
		if Sequence(&chain[i]) <= r.Sequence {
			continue
		}
		if !chain[i].Status.Phase.IsTerminal() {
			break
		}
		runs = append(runs, chain[i])
	}
	return runs
}

// SomeFailed tells whether the record for this run's release has to know which targets failed in it: those are left out,
// and others go on.
func SomeFailed(r *v1alpha1.BindingRecord, run *v1alpha1.DeploymentRun) bool {
	if run.Annotations[v1alpha1.AnnotationDesiredHash] != r.Hash || run.Annotations[v1alpha1.AnnotationHandledRetry] != r.Retry || run.Status.StartTime == nil {
		return false
	}
	return run.Status.Phase == v1alpha1.RunFailed && run.Spec.Purpose == v1alpha1.PurposeConvergence ||
		run.Status.Phase == v1alpha1.RunSucceeded && run.Status.Targets.Failed > 0
}

// Refused are the targets on which the run failed before anything was sent, and whose status does not tell.
func Refused(run *v1alpha1.DeploymentRun, filled []v1alpha1.DeploymentRunSlice, targets []v1alpha1.DeploymentTarget) []v1alpha1.RefusedTarget {
	var refused []v1alpha1.RefusedTarget
	Each(filled, targets, func(t v1alpha1.SliceTarget, result *v1alpha1.TargetResult) {
		if result != nil && result.Phase.IsFailure() && Outcome(run, t, result) == "" {
			refused = append(refused, v1alpha1.RefusedTarget{Name: t.Name, UID: t.UID, Thumbprint: t.Thumbprint})
		}
	})
	return refused
}

// Add takes in how a run ended. Refused is needed where SomeFailed says so.
func Add(r *v1alpha1.BindingRecord, run *v1alpha1.DeploymentRun, refused []v1alpha1.RefusedTarget) {
	r.Sequence = Sequence(run)
	if run.Annotations[v1alpha1.AnnotationDesiredHash] != r.Hash {
		return
	}
	r.Deployed = r.Deployed || run.Status.Phase == v1alpha1.RunSucceeded && run.Status.Targets.Succeeded > 0
	if run.Annotations[v1alpha1.AnnotationHandledRetry] != r.Retry {
		return
	}
	if SomeFailed(r, run) {
		leaveOut(r, run, refused)
		return
	}
	switch run.Status.Phase {
	case v1alpha1.RunSucceeded:
		r.Redeploy = false
	case v1alpha1.RunCancelled:
		hold(r, run, v1alpha1.ReasonRunCancelled, "run %s was %s", run.Name, cancelled(run))
	case v1alpha1.RunAbandoned:
		hold(r, run, v1alpha1.ReasonRunAbandoned, "run %s was abandoned: look at the machines that it names", run.Name)
	case v1alpha1.RunFailed:
		reason := v1alpha1.ReasonRunFailed
		if run.Spec.Purpose == v1alpha1.PurposeConvergence {
			reason = v1alpha1.ReasonTargetsFailed // it chose no targets: none can be left out, and the next would fail alike
		}
		hold(r, run, reason, "run %s failed: %s", run.Name, why(run))
	}
}

// cancelled says how a run was cancelled. One that had been, and that somebody deleted then, was not cancelled by that.
func cancelled(run *v1alpha1.DeploymentRun) string {
	if deleted, ended := run.DeletionTimestamp, run.Status.FinishTime; deleted != nil && ended != nil && !ended.Before(deleted) {
		return "deleted before it had ended, which cancelled it"
	}
	return "cancelled"
}

func leaveOut(r *v1alpha1.BindingRecord, run *v1alpha1.DeploymentRun, refused []v1alpha1.RefusedTarget) {
	r.FailedRuns = append(r.FailedRuns, run.UID)
	for _, t := range refused {
		r.Refused = slices.DeleteFunc(r.Refused, func(old v1alpha1.RefusedTarget) bool { return old.UID == t.UID })
		r.Refused = append(r.Refused, t)
	}
	slices.SortFunc(r.Refused, func(a, b v1alpha1.RefusedTarget) int { return cmp.Compare(a.Name, b.Name) })
	if len(r.FailedRuns) <= MaxLeftOut && len(r.Refused) <= MaxLeftOut {
		return
	}
	r.FailedRuns, r.Refused = r.FailedRuns[:min(len(r.FailedRuns), MaxLeftOut)], r.Refused[:min(len(r.Refused), MaxLeftOut)]
	hold(r, run, v1alpha1.ReasonTargetsFailed, "run %s failed on so many targets that none is deployed to: %s", run.Name, why(run))
}

func hold(r *v1alpha1.BindingRecord, run *v1alpha1.DeploymentRun, reason, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	if len(message) > maxHoldMessage {
		message = strings.ToValidUTF8(message[:maxHoldMessage-len("…")], "") + "…"
	}
	r.Hold = &v1alpha1.BindingHold{Reason: reason, Run: run.Name, Message: message}
}

// why is what the run says of its end.
func why(run *v1alpha1.DeploymentRun) string {
	ready := meta.FindStatusCondition(run.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.Message == "" {
		return "see its status.failures"
	}
	return strings.TrimSuffix(ready.Message, ".")
}

// Forget drops from the record what it no longer needs: refused targets that are gone, are another machine now, or are up
// to date, and runs that no target says that it failed in. The newest of these stays, as targets may not show it yet.
func Forget(r *v1alpha1.BindingRecord, project, environment v1alpha1.ObjectName, targets []v1alpha1.DeploymentTarget, upToDate func(*v1alpha1.DeploymentTarget) bool) {
	pins, failedIn := map[types.UID]string{}, sets.New[types.UID]()
	for i := range targets {
		t := &targets[i]
		if row := Installed(t, project, environment); row != nil && row.Phase == v1alpha1.InstalledFailed {
			failedIn.Insert(row.RunUID)
		}
		if !upToDate(t) {
			pins[t.UID] = t.Spec.Thumbprint
		}
	}
	r.Refused = slices.DeleteFunc(r.Refused, func(t v1alpha1.RefusedTarget) bool {
		pin, known := pins[t.UID]
		return !known || pin != t.Thumbprint
	})
	if n := len(r.FailedRuns); n > 0 {
		newest := r.FailedRuns[n-1]
		r.FailedRuns = slices.DeleteFunc(r.FailedRuns, func(uid types.UID) bool { return uid != newest && !failedIn.Has(uid) })
	}
}

// LeftOut tells whether the target failed before, for what is desired now, and is not tried again by itself.
func LeftOut(r *v1alpha1.BindingRecord, t *v1alpha1.DeploymentTarget, project, environment v1alpha1.ObjectName) bool {
	if r == nil {
		return false
	}
	row := Installed(t, project, environment)
	if row != nil && row.Phase == v1alpha1.InstalledFailed && slices.Contains(r.FailedRuns, row.RunUID) {
		return true
	}
	return slices.ContainsFunc(r.Refused, func(refused v1alpha1.RefusedTarget) bool {
		return refused.UID == t.UID && refused.Thumbprint == t.Spec.Thumbprint
	})
}

// Outdated are the desired targets that a run of the binding has to bring up to date, by name: those that are not, and are
// not left out; where the release is deployed again, also those that are. The binding has to be read past the cache, as its record may have just been written.
func Outdated(b *v1alpha1.ReleaseBinding, run *v1alpha1.DeploymentRun, snapshot string, steps []v1alpha1.Step, targets []v1alpha1.DeploymentTarget) []v1alpha1.DeploymentTarget {
	record := b.Status.Record
	if record != nil && (record.Hash != run.Annotations[v1alpha1.AnnotationDesiredHash] || record.Retry != run.Annotations[v1alpha1.AnnotationHandledRetry]) {
		record = nil // it speaks of another try
	}
	return slices.DeleteFunc(Desired(b.Spec, steps, targets), func(t v1alpha1.DeploymentTarget) bool {
		current := UpToDate(&t, b.Spec.Project, b.Spec.Environment, snapshot, steps)
		return current && (record == nil || !record.Redeploy) || LeftOut(record, &t, b.Spec.Project, b.Spec.Environment)
	})
}
