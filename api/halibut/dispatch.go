package halibut

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"runtime/debug"
	"time"
)

// invocation is a request that was read and decoded: either failure is set, or method and arguments are. With unwanted
// the method is called without its streams.
type invocation struct {
	id        *string
	service   string
	method    *Method
	arguments []reflect.Value
	streams   []*DataStream
	unwanted  bool
	failure   *ServerError
}

// serve reads a request, calls the method and answers. When it returns an error the connection cannot go on.
func (c *session) serve(wire *conn) error {
	config := &c.server.config
	defer c.giveBack()
	document, err := wire.codec.inflateIn(wire, config.Limits.MaxRequest, func(size int64) error { return c.admitRequest(wire, size) })
	wire.limit = time.Time{}
	if err != nil {
		return fmt.Errorf("reading request: %w", err)
	}
	call, err := c.decode(document)
	if err != nil {
		return fmt.Errorf("decoding request: %w", err)
	}
	defer c.admit(call)()
	defer discardAll(call.streams)
	result, err := c.carryOut(wire, call)
	if err != nil {
		return err
	}
	answer, err := encodeResponse(call.id, result, call.failure)
	if err != nil {
		config.Logger.Error("result cannot be sent", "service", call.service, "error", err)
		failure := finalError("the result cannot be sent")
		if errors.Is(err, errMaking) {
			failure = passingError(err.Error())
		}
		if answer, err = encodeResponse(call.id, nil, failure); err != nil {
			return err
		}
	}
	wire.limit = c.whole(answer.size())
	if err := wire.send(answer); err != nil {
		return fmt.Errorf("sending response: %w", err)
	}
	wire.limit = time.Time{}
	return wire.sendStreams(answer.streams, 0)
}

// decode finds the method and decodes its parameters.
func (c *session) decode(document []byte) (*invocation, error) {
	d := newDecoder(len(document))
	d.more = c.more
	r, err := decodeRequest(d, document)
	if err != nil {
		return nil, err
	}
	call := &invocation{id: r.ID}
	switch r.Service {
	case nil:
		call.failure = passingError("the request names no service")
	default:
		call.service = *r.Service
		method := ""
		if r.Method != nil {
			method = *r.Method
		}
		call.failure = c.find(call, method)
	}
	if call.failure == nil {
		call.arguments, err = decodeParams(d, r.Params, call.method.params)
		if errors.Is(err, errMismatch) {
			call.failure = ambiguous(call)
		} else if err != nil {
			return nil, err
		}
	}
	if call.failure != nil {
		// The frames of streams that nobody wants must be read all the same.
		d.streams = nil
		for _, p := range r.Params {
			if err := d.scan(p, 0); err != nil {
				return nil, err
			}
		}
	}
	call.streams = d.streams
	return call, nil
}

func (c *session) find(call *invocation, method string) *ServerError {
	service, found := find(c.server.config.Services, call.service, method)
	switch {
	case service == nil:
		return typedError(serviceNotFoundType, "Service not found: "+call.service)
	case found == nil:
		return typedError(methodNotFoundType, fmt.Sprintf("Method %s::%sAsync not found", service.Name, method))
	}
	call.service, call.method = service.Name, found
	return nil
}

func ambiguous(call *invocation) *ServerError {
	return typedError(ambiguousMethodType, fmt.Sprintf(
		"Could not decide which candidate to call: the parameters do not fit %s::%s, which takes %d",
		call.service, call.method.name, len(call.method.params)))
}

// admit asks whether a call may send its data streams. The caller calls release when it is answered.
func (c *session) admit(call *invocation) (release func()) {
	release = func() {}
	ask := c.server.config.Admit
	if len(call.streams) == 0 || call.failure != nil || ask == nil {
		return release
	}
	a := Arrival{Service: call.service, Method: call.method.name, StreamBytes: totalLength(call.streams), streams: call.streams}
	for _, argument := range call.arguments {
		a.Arguments = append(a.Arguments, argument.Interface())
	}
	_, call.failure = c.protect(call, func() (any, error) {
		given, err := ask(WithPeer(c.server.ctx, c.peer), a)
		if err == nil && given != nil {
			release = given
		}
		if call.unwanted = errors.Is(err, ErrUnwanted); call.unwanted {
			err = nil
		}
		return nil, err
	})
	return release
}

// carryOut reads the data streams of a call and calls the method. One whose streams are unwanted is called first, as
// they may be more than are read, and it records the refusal. The answer follows the streams: a peer reads none before.
func (c *session) carryOut(wire *conn, call *invocation) (result any, err error) {
	if !call.unwanted {
		err = c.receive(wire, call)
	}
	if err == nil && call.failure == nil {
		if result, call.failure, err = c.invoke(wire, call); err != nil {
			err = fmt.Errorf("peer went away during %s: %w", call.method.name, err)
		}
	}
	if err == nil && call.unwanted {
		err = c.receive(wire, call)
	}
	return result, err
}

// receive reads the data streams of a call, or throws them away where they are refused.
func (c *session) receive(wire *conn, call *invocation) error {
	if len(call.streams) == 0 {
		return nil
	}
	config := &c.server.config
	store := newSpool(config.SpoolDir, config.Limits.MaxRefused)
	store.digests = c.server.digests
	if call.failure != nil || call.unwanted {
		store.failed = errRefused
	}
	if call.unwanted {
		store.waste = config.Limits.MaxUnwanted
	}
	err := readStreams(wire, call.streams, store)
	if err == nil || !store.inStep {
		return err
	}
	if call.failure == nil && !call.unwanted {
		config.Logger.Warn("upload refused", "service", call.service, "error", err)
		call.failure = passingError(errSpool.Error())
	}
	return nil
}

// totalLength adds up lengths that a peer announced.
func totalLength(streams []*DataStream) int64 {
	var total int64
	for _, s := range streams {
		if total += s.length; total < 0 {
			return math.MaxInt64
		}
	}
	return total
}

// invoke calls the method while it watches whether the peer is still there. The error means that it is not.
func (c *session) invoke(wire *conn, call *invocation) (any, *ServerError, error) {
	ctx, cancel := context.WithCancel(context.WithValue(WithPeer(c.server.ctx, c.peer), sessionKey{}, c))
	defer cancel()
	stop := wire.watch(cancel)
	result, failure := c.protect(call, func() (any, error) { return call.method.invoke(ctx, call.arguments) })
	return result, failure, stop()
}

// protect does something for a call, and turns its error, or its panic, into an answer.
func (c *session) protect(call *invocation, do func() (any, error)) (result any, failure *ServerError) {
	defer func() {
		if p := recover(); p != nil {
			c.server.config.Logger.Error("method panicked",
				"service", call.service, "method", call.method.name, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			result, failure = nil, finalError("internal error in "+call.method.name)
		}
	}()
	result, err := do()
	if err != nil {
		return nil, asServerError(err)
	}
	return result, nil
}

// asServerError puts an error into the words by which peers tell what may pass from what may not (halibut.md
// section 8.2). A *ServerError is passed on as it is.
func asServerError(err error) *ServerError {
	if already, ok := errors.AsType[*ServerError](err); ok {
		return already
	}
	if isFinal(err) {
		return finalError(err.Error())
	}
	return passingError(err.Error())
}

func finalError(message string) *ServerError {
	return &ServerError{
		Message: message,
		Details: targetInvocationPrefix + "\n ---> System.Exception: " + message,
		Kind:    ServiceInvocation,
	}
}

func passingError(message string) *ServerError {
	return &ServerError{Message: message, Details: "System.Exception: " + message}
}

func typedError(errorType, message string) *ServerError {
	return &ServerError{
		Message: message, Details: errorType + ": " + message, HalibutErrorType: errorType,
		Kind: classify(message, "", errorType),
	}
}
