package tentacletest

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// How Octopus's client looks after a script: it lets StartScript wait, then polls ever more seldom, and makes a call that
// failed again.
const (
	octopusWaits = 5 * time.Second
	firstPause   = 300 * time.Millisecond
	pauseGrows   = 1.15
	longest      = 5 * time.Second
	retriesFor   = time.Minute
	longestTurn  = time.Duration(1<<31-1) * time.Millisecond
)

// OctopusClient calls a Tentacle as Octopus's Server does. It knows none of Mantle's own services.
type OctopusClient struct {
	*Operator
	client *tentacle.Client
	close  func()
}

// Operator is who calls: a certificate, the Tentacle, and the address that the calls come from, where that is not left to
// the system.
type Operator struct {
	Identity Identity
	Tentacle halibut.Endpoint
	From     net.IP
}

// NewOctopusClient returns a client that keeps its connections as Octopus's does, five of them at most. spool is a folder of
// the test's.
func (o *Operator) NewOctopusClient(spool string) *OctopusClient {
	wire := halibut.NewClient(halibut.ClientConfig{Certificate: o.Identity, SpoolDir: spool, DialContext: o.dialer().DialContext})
	return &OctopusClient{Operator: o, client: tentacle.NewClient(wire, o.Tentacle), close: wire.Close}
}

// Close ends its connections.
func (c *OctopusClient) Close() { c.close() }

// Observed is a script that ended, as Octopus's client saw it.
type Observed struct {
	ExitCode int32
	// Answers are those that had output in them, in their order; Polls is how often GetStatus was called.
	Answers []Answer
	Polls   int
}

// Answer is what one answer brought, when it was there, and how long after it was asked for.
type Answer struct {
	At    time.Time
	Took  time.Duration
	Logs  []tentacle.ProcessOutput
	State tentacle.ProcessState
}

// Logs are the lines of all answers.
func (o Observed) Logs() (all []tentacle.ProcessOutput) {
	for _, a := range o.Answers {
		all = append(all, a.Logs...)
	}
	return all
}

// Run starts a script by script service V2, looks after it until it is complete, and completes it.
func (c *OctopusClient) Run(ctx context.Context, command tentacle.StartScriptCommandV2) (o Observed, err error) {
	wait, turn := halibut.TimeSpan(octopusWaits), halibut.TimeSpan(longestTurn)
	command.DurationToWaitForScriptToFinish, command.ScriptIsolationMutexTimeout = &wait, turn
	asked := time.Now()
	r, err := retried(ctx, func() (tentacle.ScriptStatusResponseV2, error) { return c.client.StartScript(ctx, command) })
	for pause := firstPause; ; pause = min(time.Duration(float64(pause)*pauseGrows), longest) {
		if err != nil {
			return o, err
		}
		if len(r.Logs) > 0 {
			o.Answers = append(o.Answers, Answer{At: time.Now(), Took: time.Since(asked), Logs: r.Logs, State: r.State})
		}
		if r.State == tentacle.Complete {
			break
		}
		if err := idle(ctx, pause); err != nil {
			return o, err
		}
		o.Polls++
		asked = time.Now()
		request := tentacle.ScriptStatusRequestV2{Ticket: command.ScriptTicket, LastLogSequence: r.NextLogSequence}
		r, err = retried(ctx, func() (tentacle.ScriptStatusResponseV2, error) { return c.client.GetStatus(ctx, request) })
	}
	o.ExitCode = r.ExitCode
	_ = c.client.CompleteScript(ctx, tentacle.CompleteScriptCommandV2{Ticket: command.ScriptTicket}) // as Octopus's, once
	return o, nil
}

// retried makes a call until it is answered, with pauses that grow by a second, unless trying again cannot help.
func retried[R any](ctx context.Context, call func() (R, error)) (r R, err error) {
	deadline := time.Now().Add(retriesFor)
	for pause := time.Second; ; pause += time.Second {
		r, err = call()
		answer, ok := errors.AsType[*halibut.ServerError](err)
		if err == nil || ok && !answer.Retryable() || time.Now().After(deadline) {
			return r, err
		}
		if err := idle(ctx, min(pause, 10*time.Second)); err != nil {
			return r, err
		}
	}
}

func idle(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
