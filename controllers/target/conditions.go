package target

import (
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

// refreshAfter is how old status.lastHealthCheck may get while nothing changes.
const refreshAfter = 30 * time.Minute

// firstLook is how long after a target was made its first look may take before its status says that it is in progress: most
// looks are over by then, and thousands of new targets cost one write each.
const firstLook = 30 * time.Second

// unseen is how long nothing is written of a new target, of which nothing is known yet but that it is looked at.
func (f facts) unseen() time.Duration {
	age := f.Now.Sub(f.Target.CreationTimestamp.Time)
	if len(f.Target.Status.Conditions) > 0 || f.Blocked != nil || f.Found != nil || f.Absent != "" || len(f.Rows) > 0 ||
		f.Policy.HealthInterval() == 0 || age < 0 {
		return 0
	}
	return max(firstLook-age, 0)
}

// describe writes what is known into the target's status; it is pure but for that. It returns when to look again for an
// environment that is not there; 0 means never.
func describe(f facts) time.Duration {
	s, before := &f.Target.Status, f.Target.Status.DeepCopy()
	c := status.Conditions{List: &s.Conditions, Generation: f.Target.Generation, Now: f.Now}
	s.ObservedGeneration = f.Target.Generation
	s.Environments, s.Roles = inLine(f.Target.Spec.Environments), inLine(f.Target.Spec.Roles)
	forgetAbsent(c)
	switch {
	case f.Blocked != nil:
		describeBlocked(s, c, f.Blocked)
	case f.Found != nil:
		describeFinding(f, s, c)
	default:
		describeUnseen(f, s, c, before)
	}
	again := describeEnvironments(f, c, before.Conditions)
	describeCordon(f.Target, s, f.Found == nil && f.Blocked == nil)
	describeRequest(f, s)
	s.Installed = merge(s.Installed, f.Rows)
	describeLast(f, s, before)
	return again
}

// describeCordon shows a cordon beside the health, as kubectl does of nodes. written says that the message is that of an
// earlier pass.
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

// cordoned begins what a message says of a cordon.
const cordoned = "; cordoned"

// describeRequest notes the newest request of a person that a look was made for, or that cannot be met.
func describeRequest(f facts, s *v1alpha1.DeploymentTargetStatus) {
	if f.Found != nil && f.Found.Asked != "" {
		s.LastHandledCheck = f.Found.Asked
	}
	if asked := request(f.Target); asked != "" && f.Blocked == nil && f.Policy.HealthInterval() == 0 {
		s.LastHandledCheck = asked
	}
}

// inLine is a list for a column: the API server's own would print its JSON.
func inLine[S ~string](list []S) string {
	words := make([]string, len(list))
	for i, word := range list {
		words[i] = string(word)
	}
	return strings.Join(words, ",")
}

// describeUnseen says that nobody has looked yet. What an earlier process found holds while the spec is the same.
func describeUnseen(f facts, s *v1alpha1.DeploymentTargetStatus, c status.Conditions, before *v1alpha1.DeploymentTargetStatus) {
	switch {
	case f.Policy.HealthInterval() == 0:
		s.Health = v1alpha1.HealthUnknown
		c.Ready(v1alpha1.ReasonHealthy, "its health is not known: its policy has it never checked, also where the annotation "+v1alpha1.AnnotationCheck+" asks for that")
	case s.Health == "":
		s.Health = v1alpha1.HealthUnknown
		c.Reconciling(v1alpha1.ReasonProgressing, "the first health check is in progress")
	case before.ObservedGeneration != f.Target.Generation || wasBlocked(before):
		s.Health = v1alpha1.HealthUnknown
		c.Reconciling(v1alpha1.ReasonProgressing, "is being looked at, as its spec or its policy has changed")
	}
}

// wasBlocked tells whether nobody looked until now.
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

// describeLast keeps lastHealthCheck, and the head of the machine's audit log, which is another one at every look, from
// costing a write for every look: both are written together with what has changed, and once in a while.
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

// jitter keeps targets from being written all at once.
func jitter(uid types.UID) time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(uid))
	return time.Duration(h.Sum32()) * time.Millisecond % (refreshAfter / 3)
}

func describeFinding(f facts, s *v1alpha1.DeploymentTargetStatus, c status.Conditions) {
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
	c.Set(v1alpha1.ConditionTrusted, metav1.ConditionTrue, v1alpha1.ReasonHealthy, "each side knows the other's certificate")
	describeHealth(f, s, c)
}

// describeHealth judges the machine that was reached.
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
		unhealthy(v1alpha1.ReasonLowDisk, fmt.Sprintf("low disk space: %d MiB are free at the Tentacle's home, too few to start a script; make room there", *found.Probe.Facts.LowDisk))
	case found.Probe.Fits() != nil:
		unhealthy(v1alpha1.ReasonHealthCheckError, "the engine could not be brought to the machine: "+found.Probe.Fits().Error())
	case found.InventoryErr != nil:
		unhealthy(v1alpha1.ReasonHealthCheckError, "the machine's journal could not be read: "+found.InventoryErr.Error())
	case found.HealthErr != nil:
		unhealthy(v1alpha1.ReasonHealthCheckError, "the health script could not be run: "+found.HealthErr.Error())
	case found.Health != nil && !found.Health.Succeeded:
		unhealthy(healthReason(found.Health), healthMessage(found.Health))
	case found.NoScript != "":
		s.Health = v1alpha1.HealthHasWarnings
		message := fmt.Sprintf("no health script ran: %s of TargetPolicy %s is missing, and this machine's system is %s; add the script", found.NoScript, f.Target.Spec.Policy, s.Tentacle.OS)
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
	text := "the health script did not run to its end"
	if d.ExitCode != nil {
		text = fmt.Sprintf("the health script ended with exit code %d", *d.ExitCode)
	}
	if d.Message != "" {
		text += ": " + d.Message
	}
	return text
}

// describeCertificate shows what was presented. The SHA-256 is written only where the pin matched, and from then on it
// is a part of the pin: another certificate does not replace it, also where its SHA-1 is the same.
func describeCertificate(f facts, s *v1alpha1.DeploymentTargetStatus) {
	presented := f.Found.presented()
	if presented == nil {
		return
	}
	held := f.Found.pinHeld()
	if !held && f.Target.PinnedCertificate() != nil {
		return
	}
	notAfter := metav1.NewTime(presented.NotAfter)
	shown := &v1alpha1.TargetCertificate{SHA1: string(halibut.SHA1Thumbprint(presented)), Subject: text.Cut(text.Line(presented.Subject.String()), 256), NotAfter: &notAfter}
	if held {
		shown.SHA256 = string(halibut.SHA256Thumbprint(presented))
	}
	s.Certificate = shown
}

// describeFailure says which of name, route, port, TLS, trust or protocol failed, and what to do about it.
func describeFailure(f facts, s *v1alpha1.DeploymentTargetStatus, c status.Conditions) {
	reason, message := explain(f)
	c.Remove(v1alpha1.ConditionHealthCheckPassed)
	switch reason {
	case v1alpha1.ReasonThumbprintMissing, v1alpha1.ReasonThumbprintMismatch, v1alpha1.ReasonOperatorNotTrusted:
		s.Health = v1alpha1.HealthUntrusted
		c.Set(v1alpha1.ConditionReachable, metav1.ConditionTrue, reason, "something answers at "+f.Want.machine.Address)
		c.Set(v1alpha1.ConditionTrusted, metav1.ConditionFalse, reason, message)
		c.Stalled(reason, message)
	case v1alpha1.ReasonAddressRefused:
		s.Health = v1alpha1.HealthUnavailable
		c.Set(v1alpha1.ConditionReachable, metav1.ConditionFalse, reason, message)
		c.Set(v1alpha1.ConditionTrusted, metav1.ConditionUnknown, reason, "the machine was not tried")
		c.Stalled(reason, message)
	default:
		s.Health = v1alpha1.HealthUnavailable
		c.Set(v1alpha1.ConditionReachable, metav1.ConditionFalse, reason, message)
		c.Set(v1alpha1.ConditionTrusted, metav1.ConditionUnknown, reason, "the machine was not reached")
		c.NotReady(reason, message)
	}
}

// explain gives the reason and a message that names the remedy.
func explain(f facts) (reason, message string) {
	var connect *halibut.ConnectError
	if !errors.As(f.Found.Err, &connect) {
		return v1alpha1.ReasonProtocolError, f.Found.Err.Error() + "; is it a Tentacle that listens there?"
	}
	reason = string(connect.Stage)
	at := f.Want.machine.Address
	presented := ""
	if connect.Presented != nil {
		presented = fmt.Sprintf("%s (%s)", halibut.SHA1Thumbprint(connect.Presented), halibut.SHA256Thumbprint(connect.Presented))
	}
	remedies := map[string]string{
		v1alpha1.ReasonAddressRefused:     "the operator does not connect to " + at + "; ask the administrator of the operator to allow it with --target-allow-cidr (chart value targetAllowCIDRs), or correct spec.address",
		v1alpha1.ReasonNameNotResolved:    "the host of " + at + " has no address; correct spec.address, or add the name to DNS",
		v1alpha1.ReasonNoRoute:            "there is no route to " + at + "; correct spec.address, or ask for a route",
		v1alpha1.ReasonConnectionRefused:  "nothing listens on " + at + "; start the Tentacle there (tentacle run), or correct the port",
		v1alpha1.ReasonConnectTimedOut:    at + " did not answer in time; ask for a firewall rule that lets the operator connect to this port, or correct spec.address",
		v1alpha1.ReasonTLSTimedOut:        at + " accepted the connection and then said nothing; is it a Tentacle that listens there, and not a proxy?",
		v1alpha1.ReasonTLSFailed:          "what listens on " + at + " does not speak TLS as a Tentacle does; correct the port, or take the TLS-terminating proxy out of the way",
		v1alpha1.ReasonThumbprintMissing:  "spec.thumbprint is missing. The machine presents " + presented + "; compare it with what `tentacle show` prints there, and write it into spec.thumbprint",
		v1alpha1.ReasonThumbprintMismatch: "the machine presents " + presented + ", not the certificate that spec.thumbprint pins; compare it with what `tentacle show` prints there, and correct spec.thumbprint if the machine was set up anew",
		v1alpha1.ReasonOperatorNotTrusted: "the machine closes the connection, as its owner does not trust this operator; run there: tentacle trust add " + string(f.Want.machine.Identity.Thumbprint),
		v1alpha1.ReasonNoAnswer:           at + " is silent after TLS; restart the Tentacle there, or look what stands in between",
		v1alpha1.ReasonProtocolError:      "what listens on " + at + " does not speak Halibut; is it a Tentacle?",
	}
	message = remedies[reason]
	if message == "" {
		message = connect.Error()
	}
	return reason, message
}
