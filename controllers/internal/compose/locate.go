package compose

import (
	"context"
	"errors"
	"fmt"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/identity"
	"github.com/mantledeploy/mantle/controllers/internal/optional"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// Identities tells who the operator is in a namespace, and makes the identity at first need; identity.Store is one.
type Identities interface {
	For(ctx context.Context, namespace string) (*session.Identity, error)
}

// Locate tells how a target of the fixed set is reached now. An error that is final is a *dispatch.NotReady.
func (r *Run) Locate(ctx context.Context, was v1alpha1.SliceTarget) (session.Machine, error) {
	t, err := optional.Get(ctx, r.composer.Cached, r.namespace, was.Name, &v1alpha1.DeploymentTarget{})
	switch {
	case err != nil:
		return session.Machine{}, fmt.Errorf("reading target %s: %w", was.Name, err)
	case t == nil || t.UID != was.UID:
		return session.Machine{}, never(v1alpha1.ReasonTargetDeleted, "the DeploymentTarget is gone")
	case t.Spec.Thumbprint != was.Thumbprint:
		return session.Machine{}, never(v1alpha1.ReasonTargetChanged, "the DeploymentTarget was given another thumbprint")
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
		policy, err = optional.Get(ctx, r.composer.Cached, r.namespace, string(t.Spec.Policy), &v1alpha1.TargetPolicy{})
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
