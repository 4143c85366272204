package tentacle

import (
	"context"
	"errors"
	"runtime"
	"slices"

	"github.com/mantledeploy/mantle/api/halibut"
)

// ScriptService runs scripts, each at most once for its ticket. The rules are in the package's documentation;
// all methods may be called concurrently.
type ScriptService interface {
	// StartScript starts the script, or answers the status of a ticket that is known already.
	StartScript(ctx context.Context, command StartScriptCommandV2) (ScriptStatusResponseV2, error)
	// GetStatus answers at once, or within seconds where the script has no news.
	GetStatus(ctx context.Context, request ScriptStatusRequestV2) (ScriptStatusResponseV2, error)
	// CancelScript asks for the end of a script and answers as GetStatus.
	CancelScript(ctx context.Context, command CancelScriptCommandV2) (ScriptStatusResponseV2, error)
	// CompleteScript lets the Tentacle forget all but the exit code.
	CompleteScript(ctx context.Context, command CompleteScriptCommandV2) error
	// WaitForStatus is GetStatus that answers when there is something to say.
	WaitForStatus(ctx context.Context, command WaitForStatusCommandV1) (ScriptStatusResponseV2, error)
}

// ScriptServiceV1 is script service V1, which the Tentacles of every generation have. The rules are in the
// package's documentation; all methods may be called concurrently.
type ScriptServiceV1 interface {
	// StartScriptV1 starts another script whenever it is called, and makes the ticket for it.
	StartScriptV1(ctx context.Context, command StartScriptCommand) (ScriptTicket, error)
	// GetStatusV1 answers as GetStatus.
	GetStatusV1(ctx context.Context, request ScriptStatusRequest) (ScriptStatusResponse, error)
	// CancelScriptV1 asks for the end of a script and answers as GetStatusV1.
	CancelScriptV1(ctx context.Context, command CancelScriptCommand) (ScriptStatusResponse, error)
	// CompleteScriptV1 answers as GetStatusV1 for the last time and lets the Tentacle forget the script.
	CompleteScriptV1(ctx context.Context, command CompleteScriptCommand) (ScriptStatusResponse, error)
}

// FileTransfer moves whole files between an operator and the Tentacle's home. Both methods may be repeated.
type FileTransfer interface {
	// UploadFile writes the content; where that is nil nothing is written, and the result has no hash.
	UploadFile(ctx context.Context, remotePath string, content *halibut.DataStream) (UploadResult, error)
	// DownloadFile opens a file; the stream is nil where there is none.
	DownloadFile(ctx context.Context, remotePath string) (*halibut.DataStream, error)
}

// Capabilities tells what a Tentacle offers.
type Capabilities interface {
	// GetCapabilities lists services by name, and facts; see Facts.
	GetCapabilities(ctx context.Context) (CapabilitiesResponseV2, error)
}

// Tentacle is everything that a machine does for its operators.
type Tentacle interface {
	ScriptService
	FileTransfer
	Capabilities
}

var (
	errNullTicket = errors.New("the ticket is null: name one in TaskId")
	errNullBody   = errors.New("the script body is null: send one, which may be empty")
)

// Services puts a Tentacle on the wire. The methods of t find the caller with halibut.PeerFrom; their context
// ends when the caller goes away. A null ticket and a null body never reach t: they are answered with a final
// error. Tickets that are not valid reach StartScript alone, so that who asked is known; it answers RefusedTicket. The rest
// answer as for a ticket that nobody started. The streams of a request are discarded once the method has returned, so t copies what
// it keeps. An error of t is passed on as one that may pass, unless it wraps a halibut.FinalError. Where t is a
// ScriptServiceV1 too, that is served with the same care.
func Services(t Tentacle) []halibut.Service {
	a := adapter{t}
	services := []halibut.Service{
		{Name: CapabilitiesServiceName, Methods: []halibut.Method{
			halibut.Method0("GetCapabilities", t.GetCapabilities),
		}},
		{Name: FileTransferServiceName, Methods: []halibut.Method{
			halibut.Method2("UploadFile", t.UploadFile),
			halibut.Method1("DownloadFile", t.DownloadFile),
		}},
		{Name: ScriptServiceV2Name, Methods: []halibut.Method{
			halibut.Method1("StartScript", a.start),
			halibut.Method1("GetStatus", a.status),
			halibut.Method1("CancelScript", a.cancel),
			halibut.Action1("CompleteScript", a.complete),
		}},
		{Name: MantleScriptServiceName, Methods: []halibut.Method{
			halibut.Method1("WaitForStatus", a.wait),
		}},
	}
	if v1, ok := t.(ScriptServiceV1); ok {
		services = slices.Insert(services, 1, serviceV1(v1))
	}
	return services
}

// Listed are the names of services as a capabilities response lists them: in their order, which is that of
// Octopus's Tentacles where Services made them, and without the one that lists them.
func Listed(services []halibut.Service) []string {
	var names []string
	for _, s := range services {
		if s.Name != CapabilitiesServiceName {
			names = append(names, s.Name)
		}
	}
	return names
}

// adapter stands between the wire and a Tentacle.
type adapter struct{ Tentacle }

func (a adapter) start(ctx context.Context, w startOnWire) (any, error) {
	id, err := w.ScriptTicket.id()
	if err == nil {
		err = checkBody(w.ScriptBody, w.Scripts)
	}
	if err != nil {
		return nil, err
	}
	return written(a.StartScript(ctx, w.command(id)))
}

// RefusedTicket is the answer to a StartScript whose ticket is not valid.
func RefusedTicket(ticket ScriptTicket) ScriptStatusResponseV2 {
	return Refused(ticket, ExitBadTicket,
		"the ticket is refused: it must be 1 to 100 letters, digits, dots, underscores and hyphens, and not . or ..")
}

// checkBody fails where a command has no script that this system would run.
func checkBody(body *string, scripts map[shell]string) error {
	if _, found := scripts[BashScript]; body == nil && (!found || runtime.GOOS == "windows") {
		return halibut.FinalError{Err: errNullBody}
	}
	return nil
}

func (a adapter) status(ctx context.Context, w statusOnWire) (any, error) {
	id, err := w.Ticket.id()
	if err != nil || !ValidTicket(id) {
		return UnknownTicket(ScriptTicket{id}, w.LastLogSequence), err
	}
	return written(a.GetStatus(ctx, ScriptStatusRequestV2{ScriptTicket{id}, w.LastLogSequence}))
}

func (a adapter) cancel(ctx context.Context, w cancelOnWire) (any, error) {
	id, err := w.Ticket.id()
	if err != nil || !ValidTicket(id) {
		return UnknownTicket(ScriptTicket{id}, w.LastLogSequence), err
	}
	return written(a.CancelScript(ctx, CancelScriptCommandV2{ScriptTicket{id}, w.LastLogSequence}))
}

func (a adapter) complete(ctx context.Context, w completeOnWire) error {
	id, err := w.Ticket.id()
	if err != nil || !ValidTicket(id) {
		return err
	}
	return a.CompleteScript(ctx, CompleteScriptCommandV2{ScriptTicket{id}})
}

func (a adapter) wait(ctx context.Context, w waitOnWire) (any, error) {
	id, err := w.Ticket.id()
	if err != nil || !ValidTicket(id) {
		return UnknownTicket(ScriptTicket{id}, w.LastLogSequence), err
	}
	wait := min(max(w.MaxWait, 0), halibut.TimeSpan(MaxWait))
	return written(a.WaitForStatus(ctx, WaitForStatusCommandV1{ScriptTicket{id}, w.LastLogSequence, wait}))
}

// UnknownTicket is the status of a ticket that nobody started, that is another operator's, or that was
// completed.
func UnknownTicket(ticket ScriptTicket, lastLogSequence int64) ScriptStatusResponseV2 {
	return ScriptStatusResponseV2{
		Ticket: ticket, Logs: []ProcessOutput{}, NextLogSequence: lastLogSequence,
		State: Complete, ExitCode: ExitUnknownScript,
	}
}
