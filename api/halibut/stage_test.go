package halibut

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// behave listens and gives every connection to a handler; it counts them.
func behave(t *testing.T, handle func(net.Conn)) (address string, count *atomic.Int32) {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	count = &atomic.Int32{}
	go func() {
		for {
			c, err := socket.Accept()
			if err != nil {
				return
			}
			count.Add(1)
			go func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(10 * time.Second))
				handle(c)
			}()
		}
	}()
	return socket.Addr().String(), count
}

// overTLS is a handler that shows a certificate before it behaves.
func overTLS(certificate tls.Certificate, handle func(net.Conn)) func(net.Conn) {
	return func(c net.Conn) {
		secured := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{certificate}, ClientAuth: tls.RequestClientCert})
		if secured.Handshake() == nil {
			handle(secured)
		}
	}
}

func silent(c net.Conn)    { _, _ = io.Copy(io.Discard, c) }
func closeAtOnce(net.Conn) {}
func says(s string) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = io.ReadFull(c, make([]byte, 4))
		_, _ = io.WriteString(c, s)
		silent(c)
	}
}

// failing is a dialer that always fails so.
func failing(err error) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
	}
}

// TestStages meets a peer of every kind, and checks what the caller is told.
func TestStages(t *testing.T) {
	certificate := identity(t, ECDSA)
	pin := thumbprintOf(t, certificate)
	unused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = unused.Close()
	black := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: ctx.Err()}
	}
	none := func(*ClientConfig) {}
	dialer := func(d func(context.Context, string, string) (net.Conn, error)) func(*ClientConfig) {
		return func(c *ClientConfig) { c.DialContext = d }
	}
	for name, test := range map[string]struct {
		handle    func(net.Conn)
		change    func(*ClientConfig)
		address   string
		pin       Thumbprint
		stage     Stage
		presented bool
		attempts  int32
	}{
		"no such name":    {address: "nowhere.invalid:10933", pin: pin, stage: NameNotResolved, change: dialer(failing(&net.DNSError{Err: "no such host", IsNotFound: true}))},
		"not allowed":     {address: "192.0.2.1:10933", pin: pin, stage: AddressRefused, change: dialer(failing(fmt.Errorf("dialling: %w", ErrAddressRefused)))},
		"unrouted":        {address: "192.0.2.1:10933", pin: pin, stage: NoRoute, change: dialer(failing(syscall.EHOSTUNREACH))},
		"network down":    {address: "192.0.2.1:10933", pin: pin, stage: NoRoute, change: dialer(failing(syscall.ENETUNREACH))},
		"refused":         {address: unused.Addr().String(), pin: pin, stage: ConnectionRefused, change: none},
		"black hole":      {address: "192.0.2.1:10933", pin: pin, stage: ConnectTimedOut, change: dialer(black)},
		"silent":          {handle: silent, pin: pin, stage: TLSTimedOut, attempts: 1},
		"plain text":      {handle: func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.9\r\n"); silent(c) }, pin: pin, stage: TLSFailed, attempts: 1},
		"closes":          {handle: closeAtOnce, pin: pin, stage: TLSFailed, attempts: 1},
		"no pin":          {handle: overTLS(certificate, silent), stage: ThumbprintMissing, presented: true, attempts: 1},
		"another machine": {handle: overTLS(identity(t, RSA), silent), pin: pin, stage: ThumbprintMismatch, attempts: 1, presented: true},
		"distrusts":       {handle: overTLS(certificate, closeAtOnce), pin: pin, stage: OperatorNotTrusted, presented: true, attempts: 3},
		"says nothing":    {handle: overTLS(certificate, silent), pin: pin, stage: NoAnswer, presented: true, attempts: 1},
		"web server":      {handle: overTLS(certificate, says("HTTP/1.1 400 Bad Request\r\n\r\n")), pin: pin, stage: ProtocolError, presented: true, attempts: 1},
		"half a line": {handle: overTLS(certificate, func(c net.Conn) {
			_, _ = io.ReadFull(c, make([]byte, len(greeting)))
			_, _ = io.WriteString(c, "MX-SER")
		}), pin: pin, stage: ProtocolError, presented: true, attempts: 1},
	} {
		t.Run(name, func(t *testing.T) {
			config := ClientConfig{
				Certificate: identity(t, ECDSA), ConnectTimeout: time.Second, TLSTimeout: 300 * time.Millisecond,
				AnswerTimeout: 2 * time.Second, RetryInterval: time.Millisecond,
			}
			count := &atomic.Int32{}
			if test.handle != nil {
				config.TLSTimeout = time.Second
				test.address, count = behave(t, test.handle)
			} else {
				test.change(&config)
			}
			c := NewClient(config)
			defer c.Close()
			err := c.Call(t.Context(), Endpoint{Address: test.address, Thumbprint: test.pin}, Call{Service: "ITest", Method: "Wait"})
			failure, ok := errors.AsType[*ConnectError](err)
			if !ok || failure.Stage != test.stage {
				t.Fatalf("%v, want stage %s", err, test.stage)
			}
			if got := failure.Presented != nil; got != test.presented {
				t.Errorf("certificate presented: %v, want %v", got, test.presented)
			}
			if n := count.Load(); n != test.attempts {
				t.Errorf("%d attempts, want %d", n, test.attempts)
			}
		})
	}
}

// TestOneCloseIsForgiven connects to a listener that drops the first two connections without a word.
func TestOneCloseIsForgiven(t *testing.T) {
	l := start(t, nil)
	drops := 2
	c := l.dial(t, func(config *ClientConfig) {
		config.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			raw, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			if drops > 0 && err == nil {
				drops--
				raw = &dropped{Conn: raw}
			}
			return raw, err
		}
	})
	certificate, err := c.Connect(t.Context(), l.endpoint)
	if err != nil || !l.endpoint.Thumbprint.Matches(certificate) || drops != 0 {
		t.Fatalf("connecting: %v, %d drops left", err, drops)
	}
	var got string
	call(t, c, l.endpoint, "Say", &got, "hello")
	if got != "hello" {
		t.Errorf("got %q", got)
	}
}

// dropped ends when the client has sent its part of the handshake and one more record.
type dropped struct {
	net.Conn
	writes int
}

func (d *dropped) Write(p []byte) (int, error) {
	if d.writes++; d.writes == 3 {
		_ = d.Close()
		return 0, syscall.EPIPE
	}
	return d.Conn.Write(p)
}
