package target

import (
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/status"
)

// describeFailure sets the status of a machine that could not be reached or trusted.
func describeFailure(f facts, s *v1alpha1.DeploymentTargetStatus, c status.Conditions) {
	reason, message := explain(f)
	c.Remove(v1alpha1.ConditionHealthCheckPassed)
	switch reason {
	case v1alpha1.ReasonThumbprintMissing, v1alpha1.ReasonThumbprintMismatch, v1alpha1.ReasonOperatorNotTrusted:
		s.Health = v1alpha1.HealthUntrusted
		c.Set(v1alpha1.ConditionReachable, metav1.ConditionTrue, reason, "a server answers at "+f.Want.machine.Address)
		c.Set(v1alpha1.ConditionTrusted, metav1.ConditionFalse, reason, message)
		c.Stalled(reason, message)
	case v1alpha1.ReasonAddressRefused:
		s.Health = v1alpha1.HealthUnavailable
		c.Set(v1alpha1.ConditionReachable, metav1.ConditionFalse, reason, message)
		c.Set(v1alpha1.ConditionTrusted, metav1.ConditionUnknown, reason, "no connection was attempted")
		c.Stalled(reason, message)
	default:
		s.Health = v1alpha1.HealthUnavailable
		c.Set(v1alpha1.ConditionReachable, metav1.ConditionFalse, reason, message)
		c.Set(v1alpha1.ConditionTrusted, metav1.ConditionUnknown, reason, "the machine could not be reached")
		c.NotReady(reason, message)
	}
}

// explain returns the reason of a failure, and a message with the remedy.
func explain(f facts) (reason, message string) {
	var connect *halibut.ConnectError
	if !errors.As(f.Found.Err, &connect) {
		return v1alpha1.ReasonProtocolError, f.Found.Err.Error() + "; check that a Tentacle listens there"
	}
	reason = string(connect.Stage)
	at := f.Want.machine.Address
	presented := ""
	if connect.Presented != nil {
		presented = fmt.Sprintf("%s (%s)", halibut.SHA1Thumbprint(connect.Presented), halibut.SHA256Thumbprint(connect.Presented))
	}
	on := commandsFor(f, connect.Presented)
	remedies := map[string]string{
		v1alpha1.ReasonAddressRefused:     "the operator does not connect to " + at + "; ask the administrator of the operator to allow it with --target-allow-cidr (chart value targetAllowCIDRs), or correct spec.address",
		v1alpha1.ReasonNameNotResolved:    "the host name of " + at + " cannot be resolved; correct spec.address, or add the name to DNS",
		v1alpha1.ReasonNoRoute:            "there is no route to " + at + "; correct spec.address, or the routing between the cluster and the machine",
		v1alpha1.ReasonConnectionRefused:  "nothing listens on " + at + "; start the Tentacle there (" + on.start + "), or correct the port",
		v1alpha1.ReasonConnectTimedOut:    at + " did not answer in time; allow the operator to connect to this port in the firewall, or correct spec.address",
		v1alpha1.ReasonTLSTimedOut:        at + " accepted the connection but did not start TLS; check that a Tentacle listens there, not a proxy",
		v1alpha1.ReasonTLSFailed:          "the TLS handshake with " + at + " failed; correct the port, or remove the proxy that terminates TLS",
		v1alpha1.ReasonThumbprintMissing:  "spec.thumbprint is missing. The machine presents " + presented + "; compare it with the output of " + on.show + " on the machine, and set spec.thumbprint to it",
		v1alpha1.ReasonThumbprintMismatch: "the machine presents " + presented + ", which is not the certificate in spec.thumbprint; compare it with the output of " + on.show + " on the machine, and change spec.thumbprint if the machine was reinstalled",
		v1alpha1.ReasonOperatorNotTrusted: "the machine closed the connection because it does not trust this operator; run on the machine: " + on.trust,
		v1alpha1.ReasonNoAnswer:           at + " did not answer after the TLS handshake; restart the Tentacle there, or check for a proxy in between",
		v1alpha1.ReasonProtocolError:      "the server at " + at + " does not speak Halibut; check that a Tentacle listens there",
	}
	message = remedies[reason]
	if message == "" {
		message = connect.Error()
	}
	return reason, message
}
