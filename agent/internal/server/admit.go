package server

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/mantledeploy/mantle/agent/internal/policy"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// admit is asked before the content that comes with a call is received. What the call itself is going to refuse is not
// received; that it is refused, and why, the call says and records. All else needs room on the disk.
func (m *machine) admit(ctx context.Context, a halibut.Arrival) (release func(), err error) {
	if err := m.judge(ctx, a); err != nil {
		return nil, fmt.Errorf("%w: %w", halibut.ErrUnwanted, err)
	}
	who, err := operator(ctx)
	if err != nil {
		return nil, err
	}
	release, err = m.room.admit(who, a.Method, a.StreamBytes, a.Left)
	if lack, ok := errors.AsType[*lackError](err); ok && m.MakeRoom(who, lack.bytes) {
		release, err = m.room.admit(who, a.Method, a.StreamBytes, a.Left)
	}
	if err != nil {
		m.noteNoRoom(ctx, a.Method, a.StreamBytes)
	}
	return release, err
}

// judge is what is known of a call before its content is there: of a start or an upload, as nothing else has any. The
// call itself is judged again.
func (m *machine) judge(ctx context.Context, a halibut.Arrival) error {
	if c, ok := tentacle.Starting(a); ok {
		return m.judgeStart(ctx, c)
	}
	path, ok := a.Arguments[0].(string)
	if !ok {
		return nil
	}
	if err := transfer(ctx, path, m.policy.CheckUpload); err != nil {
		return err
	}
	return m.CheckUpload(path)
}

// judgeStart judges a script by the policy. A call of the engine is judged by its plan, which is short, when that is there.
func (m *machine) judgeStart(ctx context.Context, c tentacle.StartScriptCommandV2) error {
	p, ok := halibut.PeerFrom(ctx)
	if !ok || p.Certificate == nil {
		return errNobody
	}
	start := policy.Start{Operator: halibut.SHA256Thumbprint(p.Certificate), SHA1: halibut.SHA1Thumbprint(p.Certificate)}
	if plan, secrets, isCall := step.IsCall(c, runtime.GOOS); isCall {
		if plan.Len() <= step.MaxPlanSize && (secrets == nil || secrets.Len() <= step.MaxSecretsSize) {
			return nil
		}
		start.Call = &policy.Call{Problem: "plan or secrets are longer than an engine reads"}
	}
	_, err := m.policy.Check(start)
	return err
}
