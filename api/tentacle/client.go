package tentacle

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
)

// answerTime is how long a Tentacle may take to answer beyond the time that it was asked to wait.
const answerTime = 30 * time.Second

// startTime is the same for StartScript, which also prepares the script's folder.
const startTime = 5 * time.Minute

// v1Services is what a Tentacle has that is older than the capabilities service (halibut.md section 5.2).
var v1Services = [...]string{ScriptServiceV1Name, FileTransferServiceName}

// Client drives one Tentacle over Halibut. It is a Tentacle itself, holds no state but what NewClient got, and
// is safe for concurrent use. Calls end with a halibut.ConnectError (nothing was sent: send again), a
// halibut.TransferError (the outcome is unknown: send again what the package's documentation says may be
// repeated, which is every method here) or a halibut.ServerError (see Retryable). It never retries by itself.
type Client struct {
	wire     *halibut.Client
	endpoint halibut.Endpoint
	// logs passes output on; nil stores it in the answer. patience is how much longer an answer may take.
	logs     *halibut.Items
	patience time.Duration
}

var _ Tentacle = (*Client)(nil)

// NewClient makes a Client for the Tentacle at ep. Clients are cheap; connections are pooled by c.
func NewClient(c *halibut.Client, ep halibut.Endpoint) *Client {
	return &Client{wire: c, endpoint: ep}
}

// Endpoint is where the Tentacle is, and how it is known.
func (c *Client) Endpoint() halibut.Endpoint { return c.endpoint }

// StartScript starts a script at most once for its ticket.
func (c *Client) StartScript(ctx context.Context, command StartScriptCommandV2) (ScriptStatusResponseV2, error) {
	command.Scripts, command.Files, command.Arguments =
		notNil(command.Scripts), notNilSlice(command.Files), notNilSlice(command.Arguments)
	wait := startTime
	if d := command.DurationToWaitForScriptToFinish; d != nil {
		wait += min(max(d.Duration(), 0), MaxWait)
	}
	return c.script(ctx, ScriptServiceV2Name, "StartScript", command, wait)
}

// GetStatus answers the state of a script, and its output after request.LastLogSequence.
func (c *Client) GetStatus(ctx context.Context, request ScriptStatusRequestV2) (ScriptStatusResponseV2, error) {
	return c.script(ctx, ScriptServiceV2Name, "GetStatus", request, answerTime)
}

// CancelScript asks for the end of a script.
func (c *Client) CancelScript(ctx context.Context, command CancelScriptCommandV2) (ScriptStatusResponseV2, error) {
	return c.script(ctx, ScriptServiceV2Name, "CancelScript", command, answerTime)
}

// CompleteScript lets the Tentacle forget a script's output.
func (c *Client) CompleteScript(ctx context.Context, command CompleteScriptCommandV2) error {
	return c.call(ctx, ScriptServiceV2Name, "CompleteScript", command, nil, answerTime)
}

// WaitForStatus answers when there is something to say, at the latest after command.MaxWait. Only a Tentacle
// that lists MantleScriptServiceName has it.
func (c *Client) WaitForStatus(ctx context.Context, command WaitForStatusCommandV1) (ScriptStatusResponseV2, error) {
	wait := min(max(command.MaxWait.Duration(), 0), MaxWait) + answerTime
	return c.script(ctx, MantleScriptServiceName, "WaitForStatus", command, wait)
}

func (c *Client) script(ctx context.Context, service, method string, command any, wait time.Duration) (r ScriptStatusResponseV2, err error) {
	err = c.callWithLogs(ctx, service, method, command, &r, wait)
	return r, err
}

// callWithLogs calls a method whose answer has output.
func (c *Client) callWithLogs(ctx context.Context, service, method string, command, result any, wait time.Duration) error {
	return c.wire.Call(ctx, c.endpoint, halibut.Call{
		Service: service, Method: method, Params: []any{command}, Result: result, Items: c.logs, ResponseTimeout: wait + c.patience,
	})
}

func (c *Client) call(ctx context.Context, service, method string, command, result any, wait time.Duration) error {
	return c.wire.Call(ctx, c.endpoint, halibut.Call{
		Service: service, Method: method, Params: []any{command}, Result: result, ResponseTimeout: wait,
	})
}

// Passing is a Client that passes the output of scripts on as it arrives, entry by entry, so that an answer may have any
// size; its answers have no Logs. A longer text than halibut.MaxPiece is passed in pieces; see ProcessOutput.Continues. An
// error of pass ends the call, and what was passed by a call that fails remains passed. An answer with output may take
// patience longer than others do.
func (c *Client) Passing(pass func(ProcessOutput) error, patience time.Duration) *Client {
	passing := *c
	passing.patience = patience
	passing.logs = halibut.EachItem("Logs", func(entry ProcessOutput, more bool) error {
		entry.Continues = more
		return pass(entry)
	})
	return &passing
}

// UploadFile writes a file on the machine.
func (c *Client) UploadFile(ctx context.Context, remotePath string, content *halibut.DataStream) (r UploadResult, err error) {
	var stream any
	if content != nil {
		stream = content
	}
	err = c.wire.Call(ctx, c.endpoint, halibut.Call{
		Service: FileTransferServiceName, Method: "UploadFile",
		Params: []any{remotePath, stream}, Result: &r, ResponseTimeout: startTime,
	})
	return r, err
}

// DownloadFile reads a file of the machine. The caller discards the stream; it is nil where there is no file.
func (c *Client) DownloadFile(ctx context.Context, remotePath string) (stream *halibut.DataStream, err error) {
	err = c.wire.Call(ctx, c.endpoint, halibut.Call{
		Service: FileTransferServiceName, Method: "DownloadFile",
		Params: []any{remotePath}, Result: &stream, ResponseTimeout: startTime,
	})
	return stream, err
}

// GetCapabilities lists what the Tentacle offers. For one that has no such service it is what every such
// Tentacle has: script service V1 and file transfer.
func (c *Client) GetCapabilities(ctx context.Context) (CapabilitiesResponseV2, error) {
	r, _, err := c.capabilities(ctx)
	return r, err
}

func (c *Client) capabilities(ctx context.Context) (r CapabilitiesResponseV2, old bool, err error) {
	err = c.wire.Call(ctx, c.endpoint, halibut.Call{
		Service: CapabilitiesServiceName, Method: "GetCapabilities",
		Params: []any{}, Result: &r, ResponseTimeout: answerTime,
	})
	if answer, ok := errors.AsType[*halibut.ServerError](err); ok && predatesCapabilities(answer) {
		return CapabilitiesResponseV2{SupportedCapabilities: v1Services[:]}, true, nil
	}
	return r, false, err
}

// Facts is GetCapabilities, read. Facts.Old tells whether the Tentacle is older than the capabilities service.
func (c *Client) Facts(ctx context.Context) (Facts, error) {
	r, old, err := c.capabilities(ctx)
	if err != nil {
		return Facts{}, err
	}
	f := ParseFacts(r)
	f.Old = old
	return f, nil
}

// oldStreamPause is what generations older than Tentacle 6.3.640 need between a message and its data streams: their
// reader loses what it read too far (halibut.md section 3.6).
const oldStreamPause = 50 * time.Millisecond

// For is the Client that speaks as a Tentacle of these facts needs it.
func (c *Client) For(f Facts) *Client {
	suited := *c
	suited.endpoint.StreamPause = 0
	if f.Old {
		suited.endpoint.StreamPause = oldStreamPause
	}
	return &suited
}

// predatesCapabilities follows halibut.md section 5.2: old hosts say in many ways that a service is missing.
func predatesCapabilities(e *halibut.ServerError) bool {
	switch e.Kind {
	case halibut.ServiceNotFound, halibut.MethodNotFound, halibut.AmbiguousMethod:
		return true
	}
	text := e.Message + "\n" + e.Details
	if strings.Contains(text, "Octopus.Tentacle.Communications.UnknownServiceNameException") {
		return true
	}
	creating := strings.Contains(text, "CreateService(")
	stopping := strings.Contains(text, "The Tentacle service is shutting down and cannot process this request.") ||
		strings.Contains(text, "ObjectDisposedException")
	if creating && stopping {
		return false
	}
	return creating || strings.Contains(text, "NotRegistered") || strings.Contains(text, CapabilitiesServiceName)
}

func notNil(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func notNilSlice[E any](s []E) []E {
	if s == nil {
		return []E{}
	}
	return s
}
