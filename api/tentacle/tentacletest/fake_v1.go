package tentacletest

import (
	"context"
	"time"

	"github.com/mantledeploy/mantle/api/tentacle"
)

var _ tentacle.ScriptServiceV1 = (*faults)(nil)

func (m *machine) StartScriptV1(ctx context.Context, c tentacle.StartScriptCommand) (tentacle.ScriptTicket, error) {
	k, id := m.make(ctx, c)
	m.begin(k, c.Under(id))
	return id, nil
}

// make makes a new ticket for a command.
func (m *machine) make(ctx context.Context, c tentacle.StartScriptCommand) (*ticket, tentacle.ScriptTicket) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for {
		m.made++
		id := tentacle.TicketV1(time.Now(), c.TaskID, m.made)
		if name := m.key(ctx, id); m.tickets[name] == nil {
			k := m.newTicket(m.owner(ctx))
			m.tickets[name] = k
			return k, id
		}
	}
}

func (m *machine) GetStatusV1(ctx context.Context, r tentacle.ScriptStatusRequest) (tentacle.ScriptStatusResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.statusV1(ctx, r), nil
}

// statusV1 answers for a ticket. The lock is held.
func (m *machine) statusV1(ctx context.Context, r tentacle.ScriptStatusRequest) tentacle.ScriptStatusResponse {
	if k := m.find(ctx, r.Ticket); k != nil {
		return tentacle.ScriptStatusResponse(m.early(k, k.status(r.Ticket, r.LastLogSequence)))
	}
	return tentacle.UnknownV1(r.Ticket, r.LastLogSequence)
}

func (m *machine) CancelScriptV1(ctx context.Context, c tentacle.CancelScriptCommand) (tentacle.ScriptStatusResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.find(ctx, c.Ticket); k != nil {
		k.stop()
	}
	return m.statusV1(ctx, tentacle.ScriptStatusRequest(c)), nil
}

func (m *machine) CompleteScriptV1(ctx context.Context, c tentacle.CompleteScriptCommand) (tentacle.ScriptStatusResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.statusV1(ctx, tentacle.ScriptStatusRequest(c))
	m.complete(ctx, c.Ticket)
	return r, nil
}

// StartScriptV1 passes a call to the machine, as the other methods do.
func (f *faults) StartScriptV1(ctx context.Context, c tentacle.StartScriptCommand) (tentacle.ScriptTicket, error) {
	return through(ctx, f, "StartScript", f.machine.StartScriptV1, c)
}

func (f *faults) GetStatusV1(ctx context.Context, r tentacle.ScriptStatusRequest) (tentacle.ScriptStatusResponse, error) {
	status, err := through(ctx, f, "GetStatus", f.machine.GetStatusV1, r)
	if f.over(len(status.Logs)) {
		return tentacle.ScriptStatusResponse{}, f.breakOff(ctx)
	}
	return status, err
}

func (f *faults) CancelScriptV1(ctx context.Context, c tentacle.CancelScriptCommand) (tentacle.ScriptStatusResponse, error) {
	return through(ctx, f, "CancelScript", f.machine.CancelScriptV1, c)
}

func (f *faults) CompleteScriptV1(ctx context.Context, c tentacle.CompleteScriptCommand) (tentacle.ScriptStatusResponse, error) {
	return through(ctx, f, "CompleteScript", f.machine.CompleteScriptV1, c)
}
