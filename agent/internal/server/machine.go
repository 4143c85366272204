package server

import (
	"context"
	"errors"

	"github.com/mantledeploy/mantle/agent/internal/files"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// Scripts is tentacle.ScriptService for many operators: each call says whose it is, by the SHA-256
// thumbprint of the operator's certificate.
type Scripts interface {
	StartScript(ctx context.Context, operator string, command tentacle.StartScriptCommandV2) (tentacle.ScriptStatusResponseV2, error)
	GetStatus(ctx context.Context, operator string, request tentacle.ScriptStatusRequestV2) (tentacle.ScriptStatusResponseV2, error)
	CancelScript(ctx context.Context, operator string, command tentacle.CancelScriptCommandV2) (tentacle.ScriptStatusResponseV2, error)
	CompleteScript(ctx context.Context, operator string, command tentacle.CompleteScriptCommandV2) error
	WaitForStatus(ctx context.Context, operator string, command tentacle.WaitForStatusCommandV1) (tentacle.ScriptStatusResponseV2, error)
}

// errNobody cannot happen over the wire: who shows no certificate is not authorised.
var errNobody = errors.New("the caller is not known")

// machine is the Tentacle that operators see: the methods of its file store, and its scripts, each
// call with the operator from its context.
type machine struct {
	*files.Store
	scripts Scripts
	facts   tentacle.Facts
	closing context.Context // ends when the server is shut down
}

func operator(ctx context.Context) (string, error) {
	p, ok := halibut.PeerFrom(ctx)
	if !ok || p.Certificate == nil {
		return "", halibut.FinalError{Err: errNobody}
	}
	return string(halibut.SHA256Thumbprint(p.Certificate)), nil
}

// GetCapabilities tells the services and facts.
func (m *machine) GetCapabilities(context.Context) (tentacle.CapabilitiesResponseV2, error) {
	f := m.facts
	f.Services = []string{tentacle.FileTransferServiceName, tentacle.ScriptServiceV2Name, tentacle.MantleScriptServiceName}
	return f.Response(), nil
}

// StartScript starts a script of the caller's.
func (m *machine) StartScript(ctx context.Context, c tentacle.StartScriptCommandV2) (tentacle.ScriptStatusResponseV2, error) {
	who, err := operator(ctx)
	if err != nil {
		return tentacle.ScriptStatusResponseV2{}, err
	}
	return m.scripts.StartScript(ctx, who, c)
}

// GetStatus tells how a script of the caller's is.
func (m *machine) GetStatus(ctx context.Context, r tentacle.ScriptStatusRequestV2) (tentacle.ScriptStatusResponseV2, error) {
	who, err := operator(ctx)
	if err != nil {
		return tentacle.ScriptStatusResponseV2{}, err
	}
	return m.scripts.GetStatus(ctx, who, r)
}

// CancelScript ends a script of the caller's.
func (m *machine) CancelScript(ctx context.Context, c tentacle.CancelScriptCommandV2) (tentacle.ScriptStatusResponseV2, error) {
	who, err := operator(ctx)
	if err != nil {
		return tentacle.ScriptStatusResponseV2{}, err
	}
	return m.scripts.CancelScript(ctx, who, c)
}

// CompleteScript forgets a script of the caller's.
func (m *machine) CompleteScript(ctx context.Context, c tentacle.CompleteScriptCommandV2) error {
	who, err := operator(ctx)
	if err != nil {
		return err
	}
	return m.scripts.CompleteScript(ctx, who, c)
}

// WaitForStatus tells how a script of the caller's is once there is something to say. When the server is
// shut down it answers at once with what there is.
func (m *machine) WaitForStatus(ctx context.Context, c tentacle.WaitForStatusCommandV1) (tentacle.ScriptStatusResponseV2, error) {
	who, err := operator(ctx)
	if err != nil {
		return tentacle.ScriptStatusResponseV2{}, err
	}
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(m.closing, cancel)()
	r, err := m.scripts.WaitForStatus(waiting, who, c)
	if err == nil || m.closing.Err() == nil || ctx.Err() != nil {
		return r, err
	}
	return m.scripts.GetStatus(ctx, who, tentacle.ScriptStatusRequestV2{Ticket: c.Ticket, LastLogSequence: c.LastLogSequence})
}
