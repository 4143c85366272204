package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/mantledeploy/mantle/agent/internal/audit"
	"github.com/mantledeploy/mantle/agent/internal/files"
	"github.com/mantledeploy/mantle/agent/internal/policy"
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

// ScriptsV1 is tentacle.ScriptServiceV1 for many operators, as Scripts is.
type ScriptsV1 interface {
	StartScriptV1(ctx context.Context, operator string, command tentacle.StartScriptCommand) (tentacle.ScriptTicket, error)
	GetStatusV1(ctx context.Context, operator string, request tentacle.ScriptStatusRequest) (tentacle.ScriptStatusResponse, error)
	CancelScriptV1(ctx context.Context, operator string, command tentacle.CancelScriptCommand) (tentacle.ScriptStatusResponse, error)
	CompleteScriptV1(ctx context.Context, operator string, command tentacle.CompleteScriptCommand) (tentacle.ScriptStatusResponse, error)
}

// errNobody cannot happen over the wire: who shows no certificate is not authorised.
var errNobody = errors.New("the caller is not known")

// machine is the Tentacle that operators see: the methods of its file store, and its scripts, each
// call with the operator from its context.
type machine struct {
	*files.Store
	room    *room
	scripts Scripts
	v1      ScriptsV1
	policy  *policy.List
	facts   tentacle.Facts
	audit   Audit
	// noJournal is Config.NoJournal.
	noJournal func() bool
	closing   context.Context // ends when the server is shut down
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
	f.Policy = m.policy.Standing()
	f.LowDisk, f.NoJournal = m.room.low(), m.noJournal()
	f.Audit = m.audit.Head()
	return f.Response(), nil
}

// as calls a method of Scripts or ScriptsV1 with the operator from the context.
func as[P, R any](ctx context.Context, method func(context.Context, string, P) (R, error), p P) (R, error) {
	who, err := operator(ctx)
	if err != nil {
		var none R
		return none, err
	}
	return method(ctx, who, p)
}

// UploadFile writes a file of the caller's, where the policy lets it.
func (m *machine) UploadFile(ctx context.Context, path string, content *halibut.DataStream) (tentacle.UploadResult, error) {
	if err := transfer(ctx, path, m.policy.CheckUpload); err != nil {
		m.noteRefusal(ctx, audit.Upload, path, err)
		return tentacle.UploadResult{}, err
	}
	return m.Store.UploadFile(ctx, path, content)
}

// DownloadFile reads a file for the caller, where the policy lets it.
func (m *machine) DownloadFile(ctx context.Context, path string) (*halibut.DataStream, error) {
	if err := transfer(ctx, path, m.policy.CheckDownload); err != nil {
		m.noteRefusal(ctx, audit.Download, path, err)
		return nil, err
	}
	return m.Store.DownloadFile(ctx, path)
}

// transfer asks whether the caller may transfer a file. A refusal is final.
func transfer(ctx context.Context, path string, allowed func(operator, sha1 halibut.Thumbprint, path string) error) error {
	p, ok := halibut.PeerFrom(ctx)
	if !ok || p.Certificate == nil {
		return halibut.FinalError{Err: errNobody}
	}
	if err := allowed(halibut.SHA256Thumbprint(p.Certificate), halibut.SHA1Thumbprint(p.Certificate), path); err != nil {
		return halibut.FinalError{Err: fmt.Errorf("the transfer is %w", err)}
	}
	return nil
}

// StartScript starts a script of the caller's.
func (m *machine) StartScript(ctx context.Context, c tentacle.StartScriptCommandV2) (tentacle.ScriptStatusResponseV2, error) {
	return as(ctx, m.scripts.StartScript, c)
}

// GetStatus tells how a script of the caller's is.
func (m *machine) GetStatus(ctx context.Context, r tentacle.ScriptStatusRequestV2) (tentacle.ScriptStatusResponseV2, error) {
	waiting, done := m.waiting(ctx)
	defer done()
	return as(waiting, m.scripts.GetStatus, r)
}

// CancelScript ends a script of the caller's.
func (m *machine) CancelScript(ctx context.Context, c tentacle.CancelScriptCommandV2) (tentacle.ScriptStatusResponseV2, error) {
	return as(ctx, m.scripts.CancelScript, c)
}

// CompleteScript forgets a script of the caller's.
func (m *machine) CompleteScript(ctx context.Context, c tentacle.CompleteScriptCommandV2) error {
	who, err := operator(ctx)
	if err != nil {
		return err
	}
	return m.scripts.CompleteScript(ctx, who, c)
}

// StartScriptV1 starts a script of the caller's, by script service V1.
func (m *machine) StartScriptV1(ctx context.Context, c tentacle.StartScriptCommand) (tentacle.ScriptTicket, error) {
	return as(ctx, m.v1.StartScriptV1, c)
}

// GetStatusV1 tells how a script of the caller's is, by script service V1.
func (m *machine) GetStatusV1(ctx context.Context, r tentacle.ScriptStatusRequest) (tentacle.ScriptStatusResponse, error) {
	waiting, done := m.waiting(ctx)
	defer done()
	return as(waiting, m.v1.GetStatusV1, r)
}

// CancelScriptV1 ends a script of the caller's, by script service V1.
func (m *machine) CancelScriptV1(ctx context.Context, c tentacle.CancelScriptCommand) (tentacle.ScriptStatusResponse, error) {
	return as(ctx, m.v1.CancelScriptV1, c)
}

// CompleteScriptV1 tells how a script of the caller's is for the last time, and forgets it.
func (m *machine) CompleteScriptV1(ctx context.Context, c tentacle.CompleteScriptCommand) (tentacle.ScriptStatusResponse, error) {
	return as(ctx, m.v1.CompleteScriptV1, c)
}

// waiting is a context for what may wait: it ends when the server is shut down, too.
func (m *machine) waiting(ctx context.Context) (waiting context.Context, done func()) {
	waiting, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(m.closing, cancel)
	return waiting, func() {
		stop()
		cancel()
	}
}

// WaitForStatus tells how a script of the caller's is once there is something to say. When the server is
// shut down it answers at once with what there is.
func (m *machine) WaitForStatus(ctx context.Context, c tentacle.WaitForStatusCommandV1) (tentacle.ScriptStatusResponseV2, error) {
	who, err := operator(ctx)
	if err != nil {
		return tentacle.ScriptStatusResponseV2{}, err
	}
	waiting, done := m.waiting(ctx)
	defer done()
	r, err := m.scripts.WaitForStatus(waiting, who, c)
	if err == nil || m.closing.Err() == nil || ctx.Err() != nil {
		return r, err
	}
	return m.scripts.GetStatus(waiting, who, tentacle.ScriptStatusRequestV2{Ticket: c.Ticket, LastLogSequence: c.LastLogSequence})
}
