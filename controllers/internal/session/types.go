package session

import (
	"crypto/tls"
	"fmt"
	"io"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// Identity is the operator's certificate for the machines of one namespace.
type Identity struct {
	Namespace   string
	Certificate tls.Certificate
	Thumbprint  halibut.Thumbprint
}

// Machine is what is needed to connect to one machine.
type Machine struct {
	Namespace, Name string
	UID             types.UID
	// Address is host:port.
	Address string
	// Thumbprint is the pinned thumbprint. If SHA256 is known, it is required instead.
	Thumbprint, SHA256 halibut.Thumbprint
	Identity           *Identity
	// ConnectTimeout bounds one attempt to connect, RetryDuration how long sending a script is retried.
	ConnectTimeout, RetryDuration time.Duration
}

// MachineOf returns the machine of a target with its current address; policy is nil if the target names none. The error
// names the field.
func MachineOf(t *v1alpha1.DeploymentTarget, policy *v1alpha1.TargetPolicy, identity *Identity) (Machine, error) {
	address, err := t.Spec.HostPort()
	if err != nil {
		return Machine{}, err
	}
	m := Machine{Namespace: t.Namespace, Name: t.Name, UID: t.UID, Address: address, Identity: identity,
		ConnectTimeout: policy.ConnectTimeout(), RetryDuration: policy.RetryDuration()}
	if t.Spec.Thumbprint != "" {
		if m.Thumbprint, err = halibut.ParseThumbprint(t.Spec.Thumbprint); err != nil {
			return Machine{}, fmt.Errorf("spec.thumbprint: %w", err)
		}
	}
	if pinned := t.PinnedCertificate(); pinned != nil {
		m.SHA256 = halibut.Thumbprint(pinned.SHA256)
	}
	return m, nil
}

// Content is a package that an action needs on the machine. It is sent only if the machine lacks it.
type Content struct {
	// SHA256 of the uncompressed archive, 64 hex digits.
	SHA256, Format string
	// Size of the archive as it is sent, in bytes.
	Size int64
	// Path on the machine, relative to its home (step.ContentPath).
	Path string
	// Open opens the archive as it is sent.
	Open func() (io.ReadCloser, error)
}

// StepResult is how a step that RunStep ran ended.
type StepResult struct {
	// Succeeded is true if the step ended with exit code 0.
	Succeeded bool
	// Reason and Message say why it did not succeed.
	Reason, Message string
	// ExitCode is the script's exit code; nil if it is not known.
	ExitCode *int32
	// Inventory is what an inventory step found; nil for others.
	Inventory *step.Inventory
}
