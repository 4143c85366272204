package target

import (
	"context"
	"fmt"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/session"
	"github.com/mantledeploy/mantle/controllers/internal/status"
)

// facts is everything that a target's status depends on.
type facts struct {
	Now    time.Time
	Target *v1alpha1.DeploymentTarget
	// Policy that spec.policy names; nil if the field is empty. The methods of a nil policy return the defaults.
	Policy *v1alpha1.TargetPolicy
	// Blocked is why the target cannot be checked; nil if it can.
	Blocked *blocked
	// Fingerprint identifies the inputs of a health check. A result with another fingerprint is ignored.
	Fingerprint string
	Want        checkSpec
	// Found is the newest result; nil if there is none yet.
	Found *result
	// Rows are the results of runs on this machine.
	Rows []v1alpha1.InstalledRelease
	// Absent is a message about an environment that does not exist; empty if all exist.
	Absent string
}

// blocked is why a target cannot be checked.
type blocked struct {
	reason, message string
	stalled         bool
	Again           time.Duration
}

func (r *Reconciler) gather(ctx context.Context, t *v1alpha1.DeploymentTarget) (facts, error) {
	f := facts{Now: r.Now(), Target: t}
	var err error
	if f.Rows, err = r.rows(ctx, t); err != nil {
		return f, err
	}
	if f.Absent, err = r.absentEnvironment(ctx, t); err != nil {
		return f, err
	}
	identity, err := r.Identities.For(ctx, t.Namespace)
	if lostIdentity(err) {
		f.Blocked = &blocked{reason: v1alpha1.ReasonIdentityLost, message: err.Error(), stalled: true, Again: firstRetry}
		return f, nil
	}
	if err != nil {
		return f, fmt.Errorf("reading the operator's identity: %w", err)
	}
	if t.Spec.Policy != "" {
		f.Policy = &v1alpha1.TargetPolicy{}
		err := r.Client.Get(ctx, client.ObjectKey{Namespace: t.Namespace, Name: string(t.Spec.Policy)}, f.Policy)
		if client.IgnoreNotFound(err) != nil {
			return f, fmt.Errorf("reading policy: %w", err)
		}
		if err != nil {
			stalled, again := status.Absence(t.Status.Conditions, v1alpha1.ReasonTargetPolicyNotFound, t.Generation, f.Now)
			f.Blocked = &blocked{reason: v1alpha1.ReasonTargetPolicyNotFound, stalled: stalled, Again: again,
				message: "spec.policy: there is no TargetPolicy " + string(t.Spec.Policy) + " in this namespace; create it, or remove the field"}
			f.Policy = nil
			return f, nil //nolint:nilerr // waiting for a policy is not an error
		}
	}
	f.Want, err = specOf(t, f.Policy, identity)
	if err != nil {
		f.Blocked = &blocked{reason: v1alpha1.ReasonInvalidAddress, message: err.Error(), stalled: true}
		return f, nil //nolint:nilerr // a wrong address is reported in the status
	}
	f.Fingerprint = fmt.Sprintf("%s/%s/%s", t.Spec.Address, strings.ToLower(t.Spec.Thumbprint), identity.Thumbprint)
	if f.Policy != nil {
		f.Fingerprint += fmt.Sprintf("/%s/%d", f.Policy.UID, f.Policy.Generation)
	}
	return f, nil
}

// specOf returns what a health check of the target does.
func specOf(t *v1alpha1.DeploymentTarget, policy *v1alpha1.TargetPolicy, identity *session.Identity) (checkSpec, error) {
	m, err := session.MachineOf(t, policy, identity)
	if err != nil {
		return checkSpec{}, err
	}
	w := checkSpec{machine: m}
	if m.SHA256 != "" && t.Status.JournalRead != nil {
		w.journalOf = t.Status.JournalRead.Certificate
	}
	if policy.HealthType() == v1alpha1.HealthCheckScript {
		w.health = &step.Health{Bash: policy.Spec.HealthCheck.Bash, PowerShell: policy.Spec.HealthCheck.PowerShell}
		w.timeout = policy.HealthTimeout()
	}
	return w, nil
}
