package halibut

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
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
	// MaxMessage bounds the inflated size of a response in bytes (256 MiB).
	MaxMessage int64
	// SpoolDir is for received data streams larger than 256 KiB (the system's temporary folder).
	SpoolDir string
	// Logger gets debug lines on connections (none).
	Logger *slog.Logger
}

// Client calls listeners. It is safe for concurrent use. Each call has a connection of its own; idle ones are
// kept in a pool for each endpoint.
type Client struct {
	config ClientConfig
}

// NewClient returns a Client. It starts nothing and connects to nothing.
func NewClient(config ClientConfig) *Client { return &Client{config: config} }

// Call is one remote call.
type Call struct {
	// Service and Method are the names on the wire.
	Service, Method string
	// Params are positional: Typed values, scalars, *DataStream, or nil.
	Params []any
	// Result points to where the result goes: to a struct, to a scalar, or **DataStream for a stream (nil
	// when the peer answers null). It is nil for a method without a result.
	Result any
	// ResponseTimeout is how long to wait for the first byte of the response (5 min).
	ResponseTimeout time.Duration
}

// Call makes a call and waits for its result. Its errors are *ConnectError (nothing was sent), *TransferError
// (the outcome is unknown), *ServerError (the peer's answer), or one that tells that the parameters cannot be
// encoded. When ctx ends, the connection is closed; the method at the peer may go on.
func (c *Client) Call(ctx context.Context, ep Endpoint, call Call) error {
	return errors.New("not written yet")
}

// Connect makes a new connection to ep up to and including MX-SERVER, puts it into the pool, and returns the
// peer's certificate. Its errors are *ConnectError.
func (c *Client) Connect(ctx context.Context, ep Endpoint) (*x509.Certificate, error) {
	return nil, errors.New("not written yet")
}

// CloseIdle closes the idle connections to ep. Calls under way are not touched.
func (c *Client) CloseIdle(ep Endpoint) {}

// Close closes all idle connections, and those of calls under way as soon as each ends.
func (c *Client) Close() {}
