package target

import (
	"crypto/x509"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/session"
	"github.com/mantledeploy/mantle/controllers/internal/status"
	"github.com/mantledeploy/mantle/controllers/internal/text"
)

// refreshAfter is the largest age of status.lastHealthCheck while nothing else changes.
const refreshAfter = 30 * time.Minute

// firstCheck is how long after its creation a target's status stays empty while the first health check is in progress. Most
// checks end earlier, so a new target costs one write instead of two.
const firstCheck = 30 * time.Second

// firstWriteIn returns how long to wait before the first write of a new target whose first health check is in progress; 0 for
// all others.
func (f facts) firstWriteIn() time.Duration {
	age := f.Now.Sub(f.Target.CreationTimestamp.Time)
	if len(f.Target.Status.Conditions) > 0 || f.Blocked != nil || f.Found != nil || f.Absent != "" || len(f.Rows) > 0 ||
		f.Policy.HealthInterval() == 0 || age < 0 {
		return 0
	}
	return max(firstCheck-age, 0)
}

// describe sets the target's status from the facts. It returns when to reconcile again because an environment does not exist;
// 0 means never.
func describe(f facts) time.Duration {
	s, before := &f.Target.Status, f.Target.Status.DeepCopy()
	c := status.Conditions{List: &s.Conditions, Generation: f.Target.Generation, Now: f.Now}
	s.ObservedGeneration = f.Target.Generation
	s.Environments, s.Roles = joined(f.Target.Spec.Environments), joined(f.Target.Spec.Roles)
	clearAbsent(c)
	switch {
	case f.Blocked != nil:
		describeBlocked(s, c, f.Blocked)
	case f.Found != nil:
		describeResult(f, s, c)
	default:
		describeUnchecked(f, s, c, before)
	}
	again := describeEnvironments(f, c, before.Conditions)
	describeCordon(f.Target, s, f.Found == nil && f.Blocked == nil)
	describeRequest(f, s)
	s.Installed = merge(s.Installed, f.Rows)
	describeLast(f, s, before)
	return again
}

// describeCordon adds a cordon to the summary and to the message of Ready, as kubectl does for nodes. written means that an
// earlier pass wrote the message, which may have the suffix already.
func describeCordon(t *v1alpha1.DeploymentTarget, s *v1alpha1.DeploymentTargetStatus, written bool) {
	s.Summary = string(s.Health)
	ready := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionReady)
	if ready != nil && written {
		if at := strings.Index(ready.Message, cordoned); at >= 0 { // the first: a reason can have it, too
			ready.Message = ready.Message[:at]
		}
	}
	if !t.Spec.Cordoned {
		return
	}
	s.Summary += ",Cordoned"
	if ready != nil {
		ready.Message += cordoned
		if why := text.Line(t.Spec.CordonReason); why != "" {
			ready.Message += ": " + why
		}
	}
}

// cordoned starts the part of a message about a cordon.
const cordoned = "; cordoned"

// describeRequest stores the newest check request (annotation) that was handled, or that is ignored because the policy
// disables health checks.
func describeRequest(f facts, s *v1alpha1.DeploymentTargetStatus) {
	if f.Found != nil && f.Found.Asked != "" {
		s.LastHandledCheck = f.Found.Asked
	}
	if asked := request(f.Target); asked != "" && f.Blocked == nil && f.Policy.HealthInterval() == 0 {
		s.LastHandledCheck = asked
	}
}

// joined returns a list as one string for a printed column, in which the API server would print JSON.
func joined[S ~string](list []S) string {
	words := make([]string, len(list))
	for i, word := range list {
		words[i] = string(word)
	}
	return strings.Join(words, ",")
}

// describeUnchecked sets the status of a target that this process has not checked. The result of an earlier process stays
// valid while the spec is the same.
func describeUnchecked(f facts, s *v1alpha1.DeploymentTargetStatus, c status.Conditions, before *v1alpha1.DeploymentTargetStatus) {
	switch {
	case f.Policy.HealthInterval() == 0:
		s.Health = v1alpha1.HealthUnknown
		c.Ready(v1alpha1.ReasonHealthy, "the health is unknown: the TargetPolicy disables health checks, and the annotation "+v1alpha1.AnnotationCheck+" is ignored")
	case s.Health == "":
		s.Health = v1alpha1.HealthUnknown
		c.Reconciling(v1alpha1.ReasonProgressing, "the first health check is in progress")
	case before.ObservedGeneration != f.Target.Generation || wasBlocked(before):
		s.Health = v1alpha1.HealthUnknown
		c.Reconciling(v1alpha1.ReasonProgressing, "a health check is in progress, as the spec or the policy has changed")
	}
}

// wasBlocked reports whether the target could not be checked until now.
func wasBlocked(s *v1alpha1.DeploymentTargetStatus) bool {
	ready := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionReady)
	if ready == nil {
		return true
	}
	switch ready.Reason {
	case v1alpha1.ReasonTargetPolicyNotFound, v1alpha1.ReasonInvalidAddress, v1alpha1.ReasonIdentityLost:
		return true
	default:
		return false
	}
}

func describeBlocked(s *v1alpha1.DeploymentTargetStatus, c status.Conditions, b *blocked) {
	s.Health = v1alpha1.HealthUnknown
	if b.reason == v1alpha1.ReasonIdentityLost {
		s.Health = v1alpha1.HealthUntrusted
		c.Set(v1alpha1.ConditionTrusted, metav1.ConditionFalse, b.reason, b.message)
	}
	if b.stalled {
		c.Stalled(b.reason, b.message)
		return
	}
	c.Reconciling(b.reason, b.message)
}

// describeLast sets lastHealthCheck. This time and the head of the machine's audit log change with every check. To avoid a
// write for every check, they are written only with other changes, or after refreshAfter.
func describeLast(f facts, s, before *v1alpha1.DeploymentTargetStatus) {
	if f.Found == nil {
		return
	}
	last := before.LastHealthCheck
	if last != nil && !last.After(f.Found.At) && f.Found.At.Sub(last.Time) < refreshAfter+jitter(f.Target.UID) && equality.Semantic.DeepEqual(withoutHead(before), withoutHead(s)) {
		s.Tentacle = before.Tentacle
		return
	}
	at := metav1.NewTime(f.Found.At)
	s.LastHealthCheck = &at
}

// jitter spreads the writes of targets over time.
func jitter(uid types.UID) time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(uid))
	return time.Duration(h.Sum32()) * time.Millisecond % (refreshAfter / 3)
}

func describeResult(f facts, s *v1alpha1.DeploymentTargetStatus, c status.Conditions) {
	describeCertificate(f, s)
	if f.Found.Err != nil {
		describeFailure(f, s, c)
		return
	}
	describeTentacle(f, s)
	at := metav1.NewTime(f.Found.At.Truncate(time.Second))
	if read := f.Found.Inventory; read != nil && (s.JournalRead == nil || !s.JournalRead.Time.Equal(&at)) {
		s.Installed = fromInventory(f.Target, read, f.Found.At)
		s.JournalRead = &v1alpha1.JournalRead{Time: at, Certificate: s.Certificate.SHA256}
	}
	c.Set(v1alpha1.ConditionReachable, metav1.ConditionTrue, v1alpha1.ReasonHealthy, "the Tentacle answers at "+f.Want.machine.Address)
	c.Set(v1alpha1.ConditionTrusted, metav1.ConditionTrue, v1alpha1.ReasonHealthy, "the machine and the operator trust each other's certificates")
	describeHealth(f, s, c)
}

// describeHealth sets the health of a machine that was reached.
func describeHealth(f facts, s *v1alpha1.DeploymentTargetStatus, c status.Conditions) {
	unhealthy := func(reason, message string) {
		s.Health = v1alpha1.HealthUnhealthy
		c.Set(v1alpha1.ConditionHealthCheckPassed, metav1.ConditionFalse, reason, message)
		c.NotReady(reason, message)
	}
	found := f.Found
	var unfit *session.UnfitError
	switch {
	case errors.As(found.Probe.Fits(), &unfit):
		unhealthy(unfit.Reason, unfit.Message)
	case found.Probe.Facts.LowDisk != nil:
		unhealthy(v1alpha1.ReasonLowDisk, fmt.Sprintf("low disk space: %d MiB are free in the Tentacle's home directory, which is too little to start a script; free some space there", *found.Probe.Facts.LowDisk))
	case found.Probe.Fits() != nil:
		unhealthy(v1alpha1.ReasonHealthCheckError, "the engine could not be uploaded to the machine: "+found.Probe.Fits().Error())
	case found.InventoryErr != nil:
		unhealthy(v1alpha1.ReasonHealthCheckError, "the machine's journal could not be read: "+found.InventoryErr.Error())
	case found.HealthErr != nil:
		unhealthy(v1alpha1.ReasonHealthCheckError, "the health script could not be run: "+found.HealthErr.Error())
	case found.Health != nil && !found.Health.Succeeded:
		unhealthy(healthReason(found.Health), healthMessage(found.Health))
	case found.NoScript != "":
		s.Health = v1alpha1.HealthHasWarnings
		message := fmt.Sprintf("no health script ran: the machine's operating system is %s, and TargetPolicy %s has no %s; add it", s.Tentacle.OS, f.Target.Spec.Policy, found.NoScript)
		c.Set(v1alpha1.ConditionHealthCheckPassed, metav1.ConditionUnknown, v1alpha1.ReasonHealthScriptMissing, message)
		c.Ready(v1alpha1.ReasonHealthScriptMissing, "reachable and trusted; "+message)
	default:
		s.Health = v1alpha1.HealthHealthy
		c.Set(v1alpha1.ConditionHealthCheckPassed, metav1.ConditionTrue, v1alpha1.ReasonHealthy, "the health check passed")
		c.Ready(v1alpha1.ReasonHealthy, "reachable, trusted and healthy")
	}
}

func healthReason(d *session.StepResult) string {
	if d.Reason == v1alpha1.ReasonRefusedByPolicy {
		return d.Reason
	}
	return v1alpha1.ReasonHealthScriptFailed
}

func healthMessage(d *session.StepResult) string {
	text := "the health script did not finish"
	if d.ExitCode != nil {
		text = fmt.Sprintf("the health script ended with exit code %d", *d.ExitCode)
	}
	if d.Message != "" {
		text += ": " + d.Message
	}
	return text
}

// describeCertificate sets the certificate that the machine presented. The SHA-256 is set only if the certificate matches
// spec.thumbprint. From then on it is part of the pin: another certificate with the same SHA-1 does not match.
func describeCertificate(f facts, s *v1alpha1.DeploymentTargetStatus) {
	shown := f.Found.certificate
	if shown == nil {
		shown = shownCertificate(f.Found.presented())
	}
	if shown == nil {
		return
	}
	held := f.Found.pinHeld()
	if !held && f.Target.PinnedCertificate() != nil {
		return
	}
	if shown = shown.DeepCopy(); !held {
		shown.SHA256 = ""
	}
	s.Certificate = shown
}

// shownCertificate returns what a status shows of a certificate; nil if there is none.
func shownCertificate(c *x509.Certificate) *v1alpha1.TargetCertificate {
	if c == nil {
		return nil
	}
	notAfter := metav1.NewTime(c.NotAfter)
	return &v1alpha1.TargetCertificate{SHA1: string(halibut.SHA1Thumbprint(c)), SHA256: string(halibut.SHA256Thumbprint(c)),
		Subject: text.Cut(text.Line(c.Subject.String()), 256), NotAfter: &notAfter}
}
