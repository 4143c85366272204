package tentacle

import (
	"context"

	"github.com/mantledeploy/mantle/api/halibut"
)

// adapterV1 stands between the wire and script service V1.
type adapterV1 struct{ ScriptServiceV1 }

func serviceV1(s ScriptServiceV1) halibut.Service {
	a := adapterV1{s}
	return halibut.Service{Name: ScriptServiceV1Name, Methods: []halibut.Method{
		halibut.Method1("StartScript", a.start),
		halibut.Method1("GetStatus", a.status),
		halibut.Method1("CancelScript", a.cancel),
		halibut.Method1("CompleteScript", a.complete),
	}}
}

func (a adapterV1) start(ctx context.Context, w startV1OnWire) (ScriptTicket, error) {
	if err := checkBody(w.ScriptBody, w.Scripts); err != nil {
		return ScriptTicket{}, err
	}
	return a.StartScriptV1(ctx, w.command())
}

func (a adapterV1) status(ctx context.Context, w statusV1OnWire) (any, error) {
	return knownV1(ctx, statusOnWire(w), a.GetStatusV1)
}

func (a adapterV1) cancel(ctx context.Context, w cancelV1OnWire) (any, error) {
	return knownV1(ctx, statusOnWire(w), func(ctx context.Context, r ScriptStatusRequest) (ScriptStatusResponse, error) {
		return a.CancelScriptV1(ctx, CancelScriptCommand(r))
	})
}

func (a adapterV1) complete(ctx context.Context, w completeV1OnWire) (any, error) {
	return knownV1(ctx, statusOnWire(w), func(ctx context.Context, r ScriptStatusRequest) (ScriptStatusResponse, error) {
		return a.CompleteScriptV1(ctx, CompleteScriptCommand(r))
	})
}

// knownV1 calls a method for a ticket that could be one, and answers for any other.
func knownV1(ctx context.Context, w statusOnWire,
	call func(context.Context, ScriptStatusRequest) (ScriptStatusResponse, error),
) (any, error) {
	id, err := w.Ticket.id()
	if err != nil || !ValidTicket(id) {
		return UnknownV1(ScriptTicket{id}, w.LastLogSequence), err
	}
	return written(call(ctx, ScriptStatusRequest{ScriptTicket{id}, w.LastLogSequence}))
}
