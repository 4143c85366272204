package compose

import (
	"context"
	"errors"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/identity"
	"github.com/mantledeploy/mantle/controllers/internal/optional"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// Identities returns the operator's identity for a namespace; identity.Store implements it.
type Identities interface {
	For(ctx context.Context, namespace string) (*session.Identity, error)
}

// Locate returns the machine of a target of the fixed set, with its current address. A final error is a
// *dispatch.NotReady.
func (r *Run) Locate(ctx context.Context, was v1alpha1.SliceTarget) (session.Machine, error) {
	t, err := optional.Get(ctx, r.composer.Cached, r.namespace, was.Name, &v1alpha1.DeploymentTarget{}, client.UnsafeDisableDeepCopy)
	switch {
	case err != nil:
		return session.Machine{}, fmt.Errorf("reading target %s: %w", was.Name, err)
	case t == nil || t.UID != was.UID:
		return session.Machine{}, never(v1alpha1.ReasonTargetDeleted, "the DeploymentTarget was deleted")
	case t.Spec.Thumbprint != was.Thumbprint:
		return session.Machine{}, never(v1alpha1.ReasonTargetChanged, "the thumbprint of the DeploymentTarget was changed")
	}
	as, err := r.composer.Identities.For(ctx, r.namespace)
	if errors.Is(err, identity.ErrLost) {
		return session.Machine{}, never(v1alpha1.ReasonIdentityLost, err.Error())
	}
	if err != nil {
		return session.Machine{}, fmt.Errorf("finding the operator's identity: %w", err)
	}
	var policy *v1alpha1.TargetPolicy
	if t.Spec.Policy != "" {
		policy, err = optional.Get(ctx, r.composer.Cached, r.namespace, string(t.Spec.Policy), &v1alpha1.TargetPolicy{}, client.UnsafeDisableDeepCopy)
		if err != nil {
			return session.Machine{}, fmt.Errorf("reading policy %s: %w", t.Spec.Policy, err)
		}
	}
	m, err := session.MachineOf(t, policy, as)
	if err == nil && m.Thumbprint == "" {
		err = errors.New("spec.thumbprint is missing")
	}
	if err != nil {
		return session.Machine{}, never(v1alpha1.ReasonInvalidAddress, err.Error())
	}
	return m, nil
}
