package halibut

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// closesUntilDistrust is how many times in a row a peer must close after TLS without a word before it is said
// not to trust us: trusting listeners do so now and then.
const closesUntilDistrust = 3

var (
	errNoThumbprint = errors.New("no thumbprint is given to compare with")
	errClosedEarly  = errors.New("the connection was closed before MX-SERVER")
)

// open makes a connection to ep and exchanges the preamble. Its error is a *ConnectError.
func (c *Client) open(ctx context.Context, ep Endpoint) (*clientConn, error) {
	var waited time.Duration
	for attempt := 1; ; attempt++ {
		cc, err := c.attempt(ctx, ep)
		failure, ok := errors.AsType[*ConnectError](err)
		if ok {
			waited += failure.Waited
			failure.Waited = waited
		}
		if !ok || !errors.Is(failure.Err, errClosedEarly) || ctx.Err() != nil {
			return cc, err
		}
		if attempt == closesUntilDistrust {
			failure.Err = fmt.Errorf("%w, %d times: it seems not to trust our thumbprint %s", failure.Err, attempt, c.thumbprint)
			return nil, failure
		}
		select {
		case <-time.After(c.config.RetryInterval):
		case <-ctx.Done():
			failure.Stage, failure.Err = NoAnswer, ctx.Err()
			return nil, failure
		}
	}
}

// attempt makes a connection once it is admitted.
func (c *Client) attempt(ctx context.Context, ep Endpoint) (*clientConn, error) {
	before := time.Now()
	release, err := c.config.Admit(ctx)
	waited := time.Since(before)
	if err != nil {
		return nil, &ConnectError{Stage: dialStage(err), Address: ep.Address, Err: err, Waited: waited}
	}
	defer release()
	cc, failure := c.connect(ctx, ep)
	if failure != nil {
		failure.Waited = waited
		return nil, failure
	}
	return cc, nil
}

func (c *Client) connect(ctx context.Context, ep Endpoint) (*clientConn, *ConnectError) {
	below, secured, certificate, failure := c.secure(ctx, ep, true)
	if failure != nil && errors.Is(failure.Err, errNotResumed) {
		below, secured, certificate, failure = c.secure(ctx, ep, false)
	}
	if failure != nil {
		return nil, failure
	}
	cc := &clientConn{
		conn:        newConn(secured, c.codec, c.config.IOTimeout),
		below:       below,
		certificate: certificate,
		fresh:       true,
		since:       time.Now(),
	}
	c.config.Connected(ep, secured.ConnectionState().DidResume)
	if err := c.preamble(ctx, cc); err != nil {
		cc.drop()
		return nil, &ConnectError{Stage: preambleStage(err), Address: ep.Address, Presented: certificate, Err: err}
	}
	return cc, nil
}

// secure connects and does TLS; resume says whether a stored session is resumed.
func (c *Client) secure(ctx context.Context, ep Endpoint, resume bool) (*gathering, *tls.Conn, *x509.Certificate, *ConnectError) {
	raw, err := c.dial(ctx, ep.Address)
	if err != nil {
		return nil, nil, nil, &ConnectError{Stage: dialStage(err), Address: ep.Address, Err: err}
	}
	below := &gathering{Conn: raw}
	secured, certificate, err := c.handshake(ctx, ep, below, resume)
	if err != nil {
		_ = raw.Close()
		return nil, nil, nil, &ConnectError{Stage: tlsStage(err), Address: ep.Address, Presented: certificate, Err: unreadable(err)}
	}
	return below, secured, certificate, nil
}

// NewDialError is the error of a connection to an address that could not be made.
func NewDialError(address string, err error) *ConnectError {
	return &ConnectError{Stage: dialStage(err), Address: address, Err: err}
}

func (c *Client) dial(ctx context.Context, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.ConnectTimeout)
	defer cancel()
	return c.config.DialContext(ctx, "tcp", address)
}

// mismatchError means that the peer is another than the pinned one.
type mismatchError struct {
	want      Thumbprint
	presented *x509.Certificate
}

func (e *mismatchError) Error() string {
	return fmt.Sprintf("the peer presented the certificate %s (%s), pinned is %s",
		SHA1Thumbprint(e.presented), SHA256Thumbprint(e.presented), e.want)
}

// handshake does TLS and compares the peer's certificate with the pin; nothing else of it is checked
// (halibut.md section 1.5). It returns the certificate also where it does not match.
func (c *Client) handshake(ctx context.Context, ep Endpoint, raw net.Conn, resume bool) (*tls.Conn, *x509.Certificate, error) {
	host, _, err := net.SplitHostPort(ep.Address)
	if err != nil {
		host = ep.Address
	}
	var presented *x509.Certificate
	session := &resumption{store: c.config.Sessions, to: ep}
	config := &tls.Config{
		MinVersion:                  tls.VersionTLS12,
		ServerName:                  host,
		InsecureSkipVerify:          true,
		DynamicRecordSizingDisabled: true,
		// The certificate is shown whatever authorities the listener names.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &c.config.Certificate, nil
		},
		VerifyConnection: func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 {
				return errors.New("the peer showed no certificate")
			}
			presented = state.PeerCertificates[0]
			switch {
			case ep.Thumbprint == "":
				return errNoThumbprint
			case !ep.Thumbprint.Matches(presented):
				return &mismatchError{want: ep.Thumbprint, presented: presented}
			}
			return session.check(state)
		},
	}
	session.configure(config, resume)
	secured := tls.Client(raw, config)
	ctx, cancel := context.WithTimeout(ctx, c.config.TLSTimeout)
	defer cancel()
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, presented, session.failed(err)
	}
	return secured, presented, nil
}

// preamble sends the initial request and our identity, each in a record of its own, and waits for the peer's.
func (c *Client) preamble(ctx context.Context, cc *clientConn) error {
	stop := cc.closeOn(ctx)
	cc.limit = time.Now().Add(c.config.AnswerTimeout)
	err := func() error {
		if _, err := io.WriteString(cc, initialMX+"\n\n"); err != nil {
			return err
		}
		if _, err := io.WriteString(cc, lineClient+version+crlf+crlf); err != nil {
			return err
		}
		return readIdentity(cc, lineServer)
	}()
	cc.limit = time.Time{}
	if !stop() {
		return ctx.Err()
	}
	if err == nil || isTimeout(err) || isProtocolError(err) {
		return err
	}
	return fmt.Errorf("%w: %w", errClosedEarly, err)
}

func isTimeout(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

// isProtocolError is true also where the peer closed within its first line.
func isProtocolError(err error) bool {
	_, ok := errors.AsType[*protocolError](err)
	return ok || errors.Is(err, io.ErrUnexpectedEOF)
}

// The numbers by which Windows names what syscall names otherwise there.
const (
	wsaNetworkUnreachable = syscall.Errno(10051)
	wsaReset              = syscall.Errno(10054)
	wsaTimedOut           = syscall.Errno(10060)
	wsaRefused            = syscall.Errno(10061)
)

func isAny(err error, targets ...error) bool {
	for _, t := range targets {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}

func dialStage(err error) Stage {
	if errors.Is(err, ErrAddressRefused) {
		return AddressRefused
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return NameNotResolved
	}
	timeout, ok := errors.AsType[net.Error](err)
	switch {
	case isAny(err, syscall.ECONNREFUSED, syscall.ECONNRESET, wsaRefused, wsaReset):
		return ConnectionRefused
	case isAny(err, syscall.EHOSTUNREACH, syscall.ENETUNREACH, wsaNetworkUnreachable):
		return NoRoute
	case ok && timeout.Timeout(), isTimeout(err), isAny(err, context.Canceled, syscall.ETIMEDOUT, wsaTimedOut):
		return ConnectTimedOut
	}
	return NoRoute
}

func tlsStage(err error) Stage {
	if _, ok := errors.AsType[*mismatchError](err); ok {
		return ThumbprintMismatch
	}
	switch {
	case errors.Is(err, errNoThumbprint):
		return ThumbprintMissing
	case isTimeout(err), errors.Is(err, context.Canceled):
		return TLSTimedOut
	}
	return TLSFailed
}

func preambleStage(err error) Stage {
	switch {
	case isTimeout(err), errors.Is(err, context.Canceled):
		return NoAnswer
	case errors.Is(err, errClosedEarly):
		return OperatorNotTrusted
	}
	return ProtocolError
}
