package target

import (
	"context"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/tentacle"
)

// facts is what a target's status is made of.
type facts struct {
	Now    time.Time
	Target *v1alpha1.DeploymentTarget
	// Policy that spec.policy names; nil where it names none: its methods then give the defaults.
	Policy *v1alpha1.TargetPolicy
	// Blocked says why nobody looks at all.
	Blocked *blocked
	// Fingerprint tells one way of looking from another; a finding of another fingerprint does not count.
	Fingerprint string
	Want        wanted
	// Found is the newest finding; nil where nobody has looked yet.
	Found *finding
	// Rows are what runs did to this machine.
	Rows []v1alpha1.InstalledRelease
	// Absent tells of an environment that is not there, since AbsentSince; empty where all are.
	Absent      string
	AbsentSince time.Time
}

// blocked keeps a target from being looked at.
type blocked struct {
	reason, message string
	stalled         bool
	Again           time.Duration
}

// absentFor is how long a policy or an environment that is not there is waited for.
const absentFor = time.Minute

func (r *Reconciler) gather(ctx context.Context, t *v1alpha1.DeploymentTarget) (facts, error) {
	f := facts{Now: r.Now(), Target: t}
	var err error
	if f.Rows, err = r.rows(ctx, t); err != nil {
		return f, err
	}
	if f.Absent, err = r.absentEnvironment(ctx, t); err != nil {
		return f, err
	}
	f.AbsentSince = missingSince(t, v1alpha1.ReasonEnvironmentNotFound, f.Now)
	identity, err := r.Identities.For(ctx, t.Namespace)
	if lostIdentity(err) {
		f.Blocked = &blocked{reason: v1alpha1.ReasonIdentityLost, message: err.Error(), stalled: true, Again: firstRetry}
		return f, nil
	}
	if err != nil {
		return f, fmt.Errorf("finding the operator's identity: %w", err)
	}
	if t.Spec.Policy != "" {
		f.Policy = &v1alpha1.TargetPolicy{}
		err := r.Client.Get(ctx, client.ObjectKey{Namespace: t.Namespace, Name: string(t.Spec.Policy)}, f.Policy)
		if client.IgnoreNotFound(err) != nil {
			return f, fmt.Errorf("reading policy: %w", err)
		}
		if err != nil {
			left := absentFor - f.Now.Sub(missingSince(t, v1alpha1.ReasonTargetPolicyNotFound, f.Now))
			f.Blocked = &blocked{reason: v1alpha1.ReasonTargetPolicyNotFound, stalled: left <= 0, Again: max(left, time.Second),
				message: "spec.policy: there is no TargetPolicy " + string(t.Spec.Policy) + " in this namespace; create it, or leave the field out"}
			f.Policy = nil
			return f, nil //nolint:nilerr // waiting for a policy is not an error
		}
	}
	f.Want, err = want(t, f.Policy, identity)
	if err != nil {
		f.Blocked = &blocked{reason: v1alpha1.ReasonInvalidAddress, message: err.Error(), stalled: true}
		return f, nil //nolint:nilerr // a wrong address is told in the status
	}
	f.Fingerprint = fmt.Sprintf("%s/%s/%s", t.Spec.Address, strings.ToLower(t.Spec.Thumbprint), identity.Thumbprint)
	if f.Policy != nil {
		f.Fingerprint += fmt.Sprintf("/%s/%d", f.Policy.UID, f.Policy.Generation)
	}
	return f, nil
}

// want says what a look at the target is to do.
func want(t *v1alpha1.DeploymentTarget, policy *v1alpha1.TargetPolicy, identity *tentacle.Identity) (wanted, error) {
	address, err := t.Spec.HostPort()
	if err != nil {
		return wanted{}, err
	}
	w := wanted{machine: tentacle.Machine{Namespace: t.Namespace, Name: t.Name, UID: t.UID, Address: address, Identity: identity,
		ConnectTimeout: policy.ConnectTimeout(), RetryDuration: policy.RetryDuration()}}
	if t.Spec.Thumbprint != "" {
		if w.machine.Thumbprint, err = halibut.ParseThumbprint(t.Spec.Thumbprint); err != nil {
			return wanted{}, fmt.Errorf("spec.thumbprint: %w", err)
		}
	}
	if pinned := t.PinnedCertificate(); pinned != nil {
		w.machine.SHA256 = halibut.Thumbprint(pinned.SHA256)
		if t.Status.JournalRead != nil {
			w.journalOf = t.Status.JournalRead.Certificate
		}
	}
	if policy.HealthType() == v1alpha1.HealthCheckScript {
		w.health = &step.Health{Bash: policy.Spec.HealthCheck.Bash, PowerShell: policy.Spec.HealthCheck.PowerShell}
		w.timeout = policy.HealthTimeout()
	}
	return w, nil
}

// rows are what the runs that are still there did to this very machine: the row has ended, or its run has.
func (r *Reconciler) rows(ctx context.Context, t *v1alpha1.DeploymentTarget) ([]v1alpha1.InstalledRelease, error) {
	var slices v1alpha1.DeploymentRunSliceList
	if err := r.Client.List(ctx, &slices, client.InNamespace(t.Namespace), client.MatchingFields{sliceTargets: t.Name}); err != nil {
		return nil, fmt.Errorf("listing slices: %w", err)
	}
	var rows []v1alpha1.InstalledRelease
	for i := range slices.Items {
		slice := &slices.Items[i]
		owner := metav1.GetControllerOf(slice)
		if owner == nil || !holds(slice, t) {
			continue
		}
		var run v1alpha1.DeploymentRun
		err := r.Client.Get(ctx, client.ObjectKey{Namespace: slice.Namespace, Name: owner.Name}, &run)
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("reading run: %w", err)
		}
		if err != nil || run.UID != owner.UID {
			continue
		}
		if err := r.lastWord(ctx, slice, &run); err != nil {
			return nil, err
		}
		for _, result := range slice.Status.Results {
			if row := installed(&run, result); row != nil && result.Target == t.Name {
				rows = append(rows, *row)
			}
		}
	}
	return rows, nil
}

// lastWord reads a slice past the cache where its run has ended and its rows have not: the rows of a run are written
// before its end, so the cache lags behind, and what is only in part on the machine by its word may be there whole.
func (r *Reconciler) lastWord(ctx context.Context, slice *v1alpha1.DeploymentRunSlice, run *v1alpha1.DeploymentRun) error {
	if !run.Status.Phase.IsTerminal() {
		return nil
	}
	for _, result := range slice.Status.Results {
		if !result.Phase.IsTerminal() {
			var last v1alpha1.DeploymentRunSlice // decoding into the other would keep of it what this one leaves out
			err := r.Reader.Get(ctx, client.ObjectKeyFromObject(slice), &last)
			if client.IgnoreNotFound(err) != nil {
				return fmt.Errorf("reading slice %s: %w", slice.Name, err)
			}
			if err == nil {
				last.DeepCopyInto(slice)
			}
			return nil
		}
	}
	return nil
}

// holds tells whether the slice speaks of this machine and not of an earlier one of its name.
func holds(slice *v1alpha1.DeploymentRunSlice, t *v1alpha1.DeploymentTarget) bool {
	for _, s := range slice.Spec.Targets {
		if s.Name == t.Name {
			return s.UID == t.UID && s.Thumbprint == t.Spec.Thumbprint
		}
	}
	return false
}

// installed reads one result; nil where nothing began, or where it has not ended.
func installed(run *v1alpha1.DeploymentRun, result v1alpha1.TargetResult) *v1alpha1.InstalledRelease {
	if !result.Phase.IsTerminal() && !run.Status.Phase.IsTerminal() || !result.Begun() {
		return nil
	}
	row := &v1alpha1.InstalledRelease{Project: string(run.Spec.Project), Environment: string(run.Spec.Environment),
		Release: string(run.Spec.Release), Snapshot: run.Status.Snapshot, Run: run.Name, RunUID: run.UID, Phase: v1alpha1.InstalledIncomplete, Time: result.FinishTime}
	if row.Time == nil {
		row.Time = run.Status.FinishTime
	}
	switch {
	case result.Phase == v1alpha1.StepSucceeded:
		row.Phase = v1alpha1.InstalledSucceeded
	case result.Phase.Bad():
		row.Phase = v1alpha1.InstalledFailed
	}
	return row
}
