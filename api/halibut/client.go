package halibut

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"time"
)

// Endpoint is a listener to call.
type Endpoint struct {
	// Address is host:port.
	Address string
	// Thumbprint is the pin of the listener's certificate. Without one, only the certificate is fetched.
	Thumbprint Thumbprint
	// StreamPause is waited between a message and the parts of its data streams: 50 ms for peers older than
	// Tentacle 6.3.640 (halibut.md section 3.6), else 0.
	StreamPause time.Duration
}

// ClientConfig is what a Client needs. Only Certificate must be set; a zero value of the rest means the
// default that is named at each.
type ClientConfig struct {
	// Certificate is the caller's identity.
	Certificate tls.Certificate
	// ConnectTimeout is for looking the name up and connecting (10 s).
	ConnectTimeout time.Duration
	// TLSTimeout is for the handshake (8 s).
	TLSTimeout time.Duration
	// AnswerTimeout is for MX-SERVER after the handshake, and for PROCEED after NEXT (8 s).
	AnswerTimeout time.Duration
	// IOTimeout is for each read within a message and for each write (1 min).
	IOTimeout time.Duration
	// RetryInterval is the pause between attempts when a peer closes before MX-SERVER (1 s).
	RetryInterval time.Duration
	// IdleTimeout is how long a connection stays in the pool (50 s: a current Tentacle closes after 60 s).
	IdleTimeout time.Duration
	// MaxIdle is how many idle connections the pool keeps for an endpoint (5).
	MaxIdle int
	// DialContext replaces net.Dialer, for proxies and tests.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
	// Admit is asked before a connection is made (may be nil). It may wait; that time counts for no timeout but the
	// caller's. An error ends the call. Otherwise release is called when the preamble is done, or the try has failed: how
	// many handshakes go on at once can so be bounded.
	Admit func(ctx context.Context) (release func(), err error)
	// MaxMessage bounds the inflated size of a response in bytes (256 MiB). It does not bound one with Call.Items.
	MaxMessage int64
	// Receive is asked before a response is read into memory, with its inflated size in bytes (may be nil). It may wait. An
	// error ends the call. Otherwise release, if there is one, is called when the response was decoded. A response with
	// Call.Items is read in portions, and it is asked for each of them.
	Receive func(ctx context.Context, size int64) (release func(), err error)
	// SpoolDir is for received data streams larger than 256 KiB (the system's temporary folder).
	SpoolDir string
	// Connected is told of each new connection, before a call uses it (may be nil). Resumed says that the peer has resumed a
	// stored TLS session. A Server does that only as long as its process lives.
	Connected func(ep Endpoint, resumed bool)
	// Sessions stores TLS sessions, so that they can be resumed (none are).
	Sessions Sessions
	// Logger gets debug lines on connections (none).
	Logger *slog.Logger
}

// Client calls listeners. It is safe for concurrent use. Each call has a connection of its own; idle ones are
// kept in a pool for each endpoint.
type Client struct {
	config     ClientConfig
	thumbprint Thumbprint
	codec      *codec
	pool       *pool
	calls      atomic.Int64
}

// NewClient returns a Client. It starts nothing and connects to nothing.
func NewClient(config ClientConfig) *Client {
	config.setDefaults()
	c := &Client{
		config: config,
		codec:  newCodec(),
		pool:   &pool{maxIdle: config.MaxIdle, maxAge: config.IdleTimeout, idle: map[poolKey][]*clientConn{}},
	}
	if len(config.Certificate.Certificate) > 0 {
		c.thumbprint = SHA1Thumbprint(&x509.Certificate{Raw: config.Certificate.Certificate[0]})
	}
	return c
}

func (config *ClientConfig) setDefaults() {
	setDefault(&config.ConnectTimeout, 10*time.Second)
	setDefault(&config.TLSTimeout, 8*time.Second)
	setDefault(&config.AnswerTimeout, 8*time.Second)
	setDefault(&config.IOTimeout, time.Minute)
	setDefault(&config.RetryInterval, time.Second)
	setDefault(&config.IdleTimeout, 50*time.Second)
	setDefault(&config.MaxIdle, 5)
	setDefault(&config.MaxMessage, 256<<20)
	if config.DialContext == nil {
		config.DialContext = (&net.Dialer{KeepAliveConfig: keepAlive()}).DialContext
	}
	if config.Admit == nil {
		config.Admit = func(context.Context) (func(), error) { return func() {}, nil }
	}
	if config.Connected == nil {
		config.Connected = func(Endpoint, bool) {}
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// keepAlive is what the reference sets (halibut.md section 1.1).
func keepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 10}
}

// Call is one remote call.
type Call struct {
	// Service and Method are the names on the wire.
	Service, Method string
	// Params are positional: Typed values, scalars, *DataStream, or nil.
	Params []any
	// Result points to where the result goes: to a struct, to a scalar, or **DataStream for a stream (nil
	// when the peer answers null). It is nil for a method without a result.
	Result any
	// Items passes the items of a list of the result on as they arrive, in place of storing them (nil stores them).
	Items *Items
	// ResponseTimeout is how long to wait for the first byte of the response (5 min).
	ResponseTimeout time.Duration
}

// Call makes a call and waits for its result. Its errors are *ConnectError (nothing was sent), *TransferError
// (the outcome is unknown), *ServerError (the peer's answer), or one that tells that the parameters cannot be
// encoded. When ctx ends, the connection is closed; the method at the peer may go on.
func (c *Client) Call(ctx context.Context, ep Endpoint, call Call) error {
	setDefault(&call.ResponseTimeout, 5*time.Minute)
	activity := NewGUID()
	id := fmt.Sprintf("%s::%s[%d] / %s", call.Service, call.Method, c.calls.Add(1), activity)
	uri, pin := "https://"+ep.Address+"/", string(ep.Thumbprint)
	message, err := encodeRequest(id, activity, requestEndpoint{BaseURI: &uri, Thumbprint: &pin}, call)
	if err != nil {
		return err
	}
	cc, err := c.take(ctx, ep)
	if err != nil {
		c.config.Logger.Debug("connecting failed", "address", ep.Address, "error", err)
		return err
	}
	stop := cc.closeOn(ctx)
	err = c.exchange(ctx, cc, ep, call, message)
	whole := stop()
	if _, answered := errors.AsType[*ServerError](err); err != nil && !answered {
		cc.drop()
		if !whole {
			err = fmt.Errorf("%w: %w", ctx.Err(), err)
		}
		return &TransferError{Err: err}
	}
	if whole && cc.r == cc.w {
		cc.fresh = false
		c.pool.put(keyOf(ep), cc)
	} else {
		cc.drop()
	}
	return err
}

// exchange sends a request and reads its response. The connection is in step if the error is nil or a
// *ServerError.
func (c *Client) exchange(ctx context.Context, cc *clientConn, ep Endpoint, call Call, message *encoder) error {
	if err := cc.send(message, ep.StreamPause); err != nil {
		return err
	}
	if err := cc.wait(call.ResponseTimeout); err != nil {
		return fmt.Errorf("waiting for the response: %w", noEOF(err))
	}
	document, release, err := c.receive(ctx, cc, call.Items)
	defer release()
	if err != nil {
		return fmt.Errorf("reading response: %w", err)
	}
	d := newDecoder(len(document))
	answer := decodeResponse(d, document, call.Result)
	if _, ok := errors.AsType[*ServerError](answer); answer != nil && !ok {
		return fmt.Errorf("decoding response: %w", answer)
	}
	if err := readStreams(cc, d.streams, newSpool(c.config.SpoolDir, 0)); err != nil {
		return err
	}
	if answer != nil || call.Result == nil {
		discardAll(d.streams)
	}
	return answer
}

// take returns a connection that is ready for a request: one of the pool that still works, else a new one.
func (c *Client) take(ctx context.Context, ep Endpoint) (*clientConn, error) {
	key := keyOf(ep)
	if cc := c.pool.take(key); cc != nil {
		err := c.next(ctx, cc)
		if err == nil {
			return cc, nil
		}
		cc.drop()
		c.pool.clear(key)
		c.config.Logger.Debug("pooled connection is dead", "address", ep.Address, "error", err)
		if ctx.Err() != nil {
			return nil, &ConnectError{Stage: NoAnswer, Address: ep.Address, Presented: cc.certificate, Err: ctx.Err()}
		}
	}
	return c.open(ctx, ep)
}

// freshFor is how long a new connection is not checked before its first request.
const freshFor = time.Second

// next makes an idle connection ready for another request.
func (c *Client) next(ctx context.Context, cc *clientConn) error {
	if cc.fresh {
		if time.Since(cc.since) > freshFor && !cc.alive() {
			return io.ErrUnexpectedEOF
		}
		return nil
	}
	stop := cc.closeOn(ctx)
	cc.limit = time.Now().Add(c.config.AnswerTimeout)
	err := cc.proceed()
	cc.limit = time.Time{}
	if !stop() {
		return ctx.Err()
	}
	return err
}

// Connect makes a new connection to ep up to and including MX-SERVER, puts it into the pool, and returns the
// peer's certificate. Its errors are *ConnectError.
func (c *Client) Connect(ctx context.Context, ep Endpoint) (*x509.Certificate, error) {
	cc, err := c.open(ctx, ep)
	if err != nil {
		return nil, err
	}
	c.pool.put(keyOf(ep), cc)
	return cc.certificate, nil
}

// CloseIdle closes the idle connections to ep. Calls under way are not touched.
func (c *Client) CloseIdle(ep Endpoint) { c.pool.clear(keyOf(ep)) }

// Close closes all idle connections, and those of calls under way as soon as each ends.
func (c *Client) Close() { c.pool.close() }
