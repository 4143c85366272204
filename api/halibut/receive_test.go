package halibut

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// A client is asked for room before a response is read, and gives it back however the call ends.
func TestARoomIsAskedForBeforeAResponseIsRead(t *testing.T) {
	l := start(t, nil)
	asked, held, full := int64(0), 0, errors.New("full")
	var refuse error
	c := l.dial(t, func(config *ClientConfig) {
		config.Receive = func(_ context.Context, size int64) (func(), error) {
			if asked = size; refuse != nil {
				return nil, refuse
			}
			held++
			return func() { held-- }, nil
		}
	})
	const size = 300_000
	var got string
	call(t, c, l.endpoint, "Say", &got, strings.Repeat("x", size))
	if asked < size || asked > 2*size || held != 0 {
		t.Errorf("asked for %d bytes; %d are held after the call", asked, held)
	}
	refuse = full
	err := c.Call(t.Context(), l.endpoint, Call{Service: "ITest", Method: "Say", Params: []any{"x"}, Result: &got})
	var transfer *TransferError
	if !errors.As(err, &transfer) || !errors.Is(err, full) || held != 0 {
		t.Errorf("refused with %v; %d are held", err, held)
	}
	refuse = nil
	err = c.Call(t.Context(), l.endpoint, Call{Service: "ITest", Method: "Fail", Params: []any{true}, Result: &got})
	var server *ServerError
	if !errors.As(err, &server) || held != 0 {
		t.Errorf("%v; %d are held", err, held)
	}
}
