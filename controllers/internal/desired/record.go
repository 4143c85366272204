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
	// MaxExcluded bounds the lists of a record. If a list gets longer, the binding is held.
	MaxExcluded = 100
	// maxToken bounds a retry token; of a longer one the digest is used.
	maxToken = 256
	// maxHoldMessage bounds the message of a hold, in bytes.
	maxHoldMessage = 1024
)

// Retry returns the requested retry token. If the annotation is missing, for example because a GitOps tool removed it, it
// returns the last one, so that nothing new is requested.
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

// Recorded reports whether the binding's record contains how the run ended, so that the run can be deleted.
func Recorded(b *v1alpha1.ReleaseBinding, run *v1alpha1.DeploymentRun) bool {
	return b.Status.Record != nil && b.Status.Record.Sequence >= Sequence(run)
}

// Resume returns the record for what is desired now: the existing one, or a new one if another release, other targets
// or a retry are desired. A new record does not contain the runs of an earlier one, so that going back to an earlier
// release creates a new run.
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

// before returns the number of the newest ended run that precedes the last consecutive runs with this hash.
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

// Unrecorded returns the runs that have ended and are not in the record, oldest first.
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

// SomeFailed reports whether the record must contain which targets failed in the run: these are excluded from later
// runs, and the others still converge.
func SomeFailed(r *v1alpha1.BindingRecord, run *v1alpha1.DeploymentRun) bool {
	if run.Annotations[v1alpha1.AnnotationDesiredHash] != r.Hash || run.Annotations[v1alpha1.AnnotationHandledRetry] != r.Retry || run.Status.StartTime == nil {
		return false
	}
	return run.Status.Phase == v1alpha1.RunFailed && run.Spec.Purpose == v1alpha1.PurposeConvergence ||
		run.Status.Phase == v1alpha1.RunSucceeded && run.Status.Targets.Failed > 0
}

// Refused returns the targets on which the run failed before anything was sent, so that their status does not show it.
func Refused(run *v1alpha1.DeploymentRun, filled []v1alpha1.DeploymentRunSlice, targets []v1alpha1.DeploymentTarget) []v1alpha1.RefusedTarget {
	var refused []v1alpha1.RefusedTarget
	Each(filled, targets, func(t v1alpha1.SliceTarget, result *v1alpha1.TargetResult) {
		if result != nil && result.Phase.IsFailure() && Outcome(run, t, result) == "" {
			refused = append(refused, v1alpha1.RefusedTarget{Name: t.Name, UID: t.UID, Thumbprint: t.Thumbprint})
		}
	})
	return refused
}

// Add records how a run ended. refused is needed if SomeFailed is true.
func Add(r *v1alpha1.BindingRecord, run *v1alpha1.DeploymentRun, refused []v1alpha1.RefusedTarget) {
	r.Sequence = Sequence(run)
	if run.Annotations[v1alpha1.AnnotationDesiredHash] != r.Hash {
		return
	}
	r.Deployed = r.Deployed || run.Status.Phase == v1alpha1.RunSucceeded && run.Status.Targets.Succeeded > 0
	if run.Annotations[v1alpha1.AnnotationHandledRetry] != r.Retry {
		return
	}
	if run.Status.Phase == v1alpha1.RunSucceeded {
		r.Redeploy = false
	}
	if SomeFailed(r, run) {
		exclude(r, run, refused)
		return
	}
	switch run.Status.Phase {
	case v1alpha1.RunCancelled:
		hold(r, run, v1alpha1.ReasonRunCancelled, "run %s was %s", run.Name, cancelled(run))
	case v1alpha1.RunAbandoned:
		hold(r, run, v1alpha1.ReasonRunAbandoned, "run %s was abandoned: check the machines that it names", run.Name)
	case v1alpha1.RunFailed:
		reason := v1alpha1.ReasonRunFailed
		if run.Spec.Purpose == v1alpha1.PurposeConvergence {
			reason = v1alpha1.ReasonTargetsFailed // it failed before it chose targets: none can be excluded, and the next run would fail too
		}
		hold(r, run, reason, "run %s failed: %s", run.Name, endMessage(run))
	}
}

// cancelled says how a run was cancelled. A run that was deleted after it had ended was not cancelled by that.
func cancelled(run *v1alpha1.DeploymentRun) string {
	if deleted, ended := run.DeletionTimestamp, run.Status.FinishTime; deleted != nil && ended != nil && !ended.Before(deleted) {
		return "deleted before it had ended, which cancelled it"
	}
	return "cancelled"
}

func exclude(r *v1alpha1.BindingRecord, run *v1alpha1.DeploymentRun, refused []v1alpha1.RefusedTarget) {
	r.FailedRuns = append(r.FailedRuns, run.UID)
	for _, t := range refused {
		r.Refused = slices.DeleteFunc(r.Refused, func(old v1alpha1.RefusedTarget) bool { return old.UID == t.UID })
		r.Refused = append(r.Refused, t)
	}
	slices.SortFunc(r.Refused, func(a, b v1alpha1.RefusedTarget) int { return cmp.Compare(a.Name, b.Name) })
	if len(r.FailedRuns) <= MaxExcluded && len(r.Refused) <= MaxExcluded {
		return
	}
	r.FailedRuns, r.Refused = r.FailedRuns[:min(len(r.FailedRuns), MaxExcluded)], r.Refused[:min(len(r.Refused), MaxExcluded)]
	hold(r, run, v1alpha1.ReasonTargetsFailed, "run %s failed on too many targets, so the release is deployed to no target: %s", run.Name, endMessage(run))
}

func hold(r *v1alpha1.BindingRecord, run *v1alpha1.DeploymentRun, reason, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	if len(message) > maxHoldMessage {
		message = strings.ToValidUTF8(message[:maxHoldMessage-len("…")], "") + "…"
	}
	r.Hold = &v1alpha1.BindingHold{Reason: reason, Run: run.Name, Message: message}
}

// endMessage returns the run's message about its end.
func endMessage(run *v1alpha1.DeploymentRun) string {
	ready := meta.FindStatusCondition(run.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.Message == "" {
		return "see its status.failures"
	}
	return strings.TrimSuffix(ready.Message, ".")
}

// Forget removes from the record what is no longer needed: refused targets that do not exist, have another thumbprint
// or are up to date, and failed runs that no target shows. It keeps the newest failed run, because targets may not show
// it yet.
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

// Excluded reports whether the target has failed for what is desired now. Such a target is retried only on request.
func Excluded(r *v1alpha1.BindingRecord, t *v1alpha1.DeploymentTarget, project, environment v1alpha1.ObjectName) bool {
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

// Outdated returns the desired targets that a run of the binding must deploy to, by name: those that are not up to date
// and not excluded; if the release is redeployed, also those that are up to date. Read the binding from the API server,
// not from the cache, because its record may have just been written.
func Outdated(b *v1alpha1.ReleaseBinding, run *v1alpha1.DeploymentRun, snapshot string, steps []v1alpha1.Step, targets []v1alpha1.DeploymentTarget) []v1alpha1.DeploymentTarget {
	record := b.Status.Record
	if record != nil && (record.Hash != run.Annotations[v1alpha1.AnnotationDesiredHash] || record.Retry != run.Annotations[v1alpha1.AnnotationHandledRetry]) {
		record = nil // it is for another release or retry
	}
	return slices.DeleteFunc(Desired(b.Spec, steps, targets), func(t v1alpha1.DeploymentTarget) bool {
		current := UpToDate(&t, b.Spec.Project, b.Spec.Environment, snapshot, steps)
		return current && (record == nil || !record.Redeploy) || Excluded(record, &t, b.Spec.Project, b.Spec.Environment)
	})
}
