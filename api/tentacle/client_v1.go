package tentacle

import "context"

var _ ScriptServiceV1 = (*Client)(nil)

// StartScriptV1 starts a script over script service V1. After a halibut.TransferError the script may run and nobody
// can find it: send the command again only where a second run does no harm.
func (c *Client) StartScriptV1(ctx context.Context, command StartScriptCommand) (r ScriptTicket, err error) {
	command.Scripts, command.Files, command.Arguments =
		notNil(command.Scripts), notNilSlice(command.Files), notNilSlice(command.Arguments)
	err = c.call(ctx, ScriptServiceV1Name, "StartScript", command, &r, startTime)
	return r, err
}

// GetStatusV1 answers the state of a script, and its output after request.LastLogSequence.
func (c *Client) GetStatusV1(ctx context.Context, request ScriptStatusRequest) (ScriptStatusResponse, error) {
	return c.scriptV1(ctx, "GetStatus", request)
}

// CancelScriptV1 asks for the end of a script.
func (c *Client) CancelScriptV1(ctx context.Context, command CancelScriptCommand) (ScriptStatusResponse, error) {
	return c.scriptV1(ctx, "CancelScript", command)
}

// CompleteScriptV1 lets the Tentacle forget a script, and answers the last of its output.
func (c *Client) CompleteScriptV1(ctx context.Context, command CompleteScriptCommand) (ScriptStatusResponse, error) {
	return c.scriptV1(ctx, "CompleteScript", command)
}

func (c *Client) scriptV1(ctx context.Context, method string, command any) (r ScriptStatusResponse, err error) {
	err = c.callWithLogs(ctx, ScriptServiceV1Name, method, command, &r, answerTime)
	return r, err
}
