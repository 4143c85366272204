package tentacletest

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/mantledeploy/mantle/api/tentacle"
)

// Identity is the certificate of a caller, with its key.
type Identity = tls.Certificate

const (
	octopusGreets = "MX\n\nMX-CLIENT 1.0\r\n\r\n"
	tentacleSays  = "MX-SERVER 1.0\r\n\r\n"
)

func (o *Operator) dialer() *net.Dialer {
	d := &net.Dialer{Timeout: patience}
	if o.From != nil {
		d.LocalAddr = &net.TCPAddr{IP: o.From}
	}
	return d
}

// AtOnce opens n connections at the same time, each without another try, calls GetStatus on all when all are open, and once
// more on each when all were answered. It returns what went wrong, one error for a connection.
func (o *Operator) AtOnce(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	open, failed := make([]*line, n), make([]error, n)
	each := func(do func(i int) error) {
		var all sync.WaitGroup
		for i := range n {
			if failed[i] == nil {
				all.Go(func() { failed[i] = do(i) })
			}
		}
		all.Wait()
	}
	each(func(i int) (err error) {
		open[i], err = o.greet(ctx)
		return err
	})
	each(func(i int) error { return open[i].getStatus() })
	each(func(i int) error { return open[i].next() })
	each(func(i int) error { return open[i].getStatus() })
	for i, c := range open {
		if c != nil {
			_ = c.Close()
		}
		if failed[i] != nil {
			failed[i] = fmt.Errorf("connection %d of %d: %w", i+1, n, failed[i])
		}
	}
	return errors.Join(failed...)
}

// HearNothing asks for all output of a script on n connections and reads no answer, until the test ends them. It returns when all
// have asked.
func (o *Operator) HearNothing(ctx context.Context, n int, ticket tentacle.ScriptTicket) (end func(), err error) {
	var open []*line
	end = func() {
		for _, c := range open {
			_ = c.Close()
		}
	}
	for range n {
		c, err := o.greet(ctx)
		if err != nil {
			return end, err
		}
		open = append(open, c)
		root := statusRequest(tentacle.ScriptServiceV2Name, tentacle.ScriptStatusRequestV2{}.HalibutType(), ticket.TaskID, 0)
		if _, err := c.Write(deflate(root.document())); err != nil {
			return end, fmt.Errorf("asking: %w", err)
		}
	}
	return end, nil
}

// line is one connection of Octopus's client.
type line struct {
	*tls.Conn
	r *bufio.Reader
}

func (o *Operator) greet(ctx context.Context) (*line, error) {
	raw, err := o.dialer().DialContext(ctx, "tcp", o.Tentacle.Address)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	c := &line{Conn: tls.Client(raw, dialling(&o.Identity))}
	c.r = bufio.NewReader(c)
	_ = c.SetDeadline(time.Now().Add(patience))
	if err = c.HandshakeContext(ctx); err == nil {
		_, err = io.WriteString(c, octopusGreets)
	}
	if err == nil {
		err = c.hears(tentacleSays)
	}
	if err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("before the request: %w", err)
	}
	return c, nil
}

func (c *line) hears(want string) error {
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c.r, got); err != nil || string(got) != want {
		return fmt.Errorf("heard %q in the place of %q: %w", got[:n], want, err)
	}
	return nil
}

// next asks to be let make another call.
func (c *line) next() error {
	if _, err := io.WriteString(c, "NEXT\r\n"); err != nil {
		return fmt.Errorf("saying NEXT: %w", err)
	}
	return c.hears("PROCEED\r\n")
}

// getStatus asks for a script that nobody started.
func (c *line) getStatus() error {
	root := statusRequest(tentacle.ScriptServiceV2Name, tentacle.ScriptStatusRequestV2{}.HalibutType(), "nobody", 0)
	if _, err := c.Write(deflate(root.document())); err != nil {
		return fmt.Errorf("asking: %w", err)
	}
	answer, err := hear(c.r)
	if err != nil {
		return fmt.Errorf("hearing the answer: %w", err)
	}
	if code := int32(answer.message.member("result", "ExitCode").number); code != tentacle.ExitUnknownScript {
		return fmt.Errorf("the script of nobody has exit code %d", code)
	}
	return nil
}
