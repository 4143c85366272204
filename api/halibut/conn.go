package halibut

import (
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// bufferSize is a connection's read buffer, which it has only while there is something to read.
const bufferSize = 8192

// conn is one connection above TLS. It has one owner; only close may be called by others. Each read and write
// has a deadline of its own, and none is later than limit, where that is set.
type conn struct {
	net.Conn
	codec *codec
	// io is the time for each read and each write.
	io time.Duration
	// limit is when everything must have ended, or zero.
	limit time.Time

	buffer *[bufferSize]byte
	r, w   int
	first  [1]byte
}

func newConn(c net.Conn, codec *codec, io time.Duration) *conn {
	return &conn{Conn: c, codec: codec, io: io}
}

// deadline is the time after d from now, or the limit if that is earlier.
func (c *conn) deadline(d time.Duration) time.Time {
	t := time.Now().Add(d)
	if !c.limit.IsZero() && c.limit.Before(t) {
		return c.limit
	}
	return t
}

// wait waits until there is a byte to read. While it waits, the connection holds no buffer.
func (c *conn) wait(timeout time.Duration) error {
	if c.r < c.w {
		return nil
	}
	c.release()
	if err := c.SetReadDeadline(c.deadline(timeout)); err != nil {
		return err
	}
	n, err := c.Conn.Read(c.first[:])
	if n == 1 {
		c.push()
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// push puts the byte in first into the empty buffer.
func (c *conn) push() {
	c.acquire()
	c.buffer[0], c.r, c.w = c.first[0], 0, 1
}

func (c *conn) acquire() {
	if c.buffer == nil {
		c.buffer = c.codec.buffers.Get().(*[bufferSize]byte)
	}
}

// release gives an empty buffer back.
func (c *conn) release() {
	if c.buffer != nil && c.r == c.w {
		c.codec.buffers.Put(c.buffer)
		c.buffer, c.r, c.w = nil, 0, 0
	}
}

// fill reads into the empty buffer.
func (c *conn) fill() error {
	c.acquire()
	n, err := c.readInto(c.buffer[:])
	c.r, c.w = 0, n
	return err
}

func (c *conn) readInto(p []byte) (int, error) {
	if err := c.SetReadDeadline(c.deadline(c.io)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	if n > 0 {
		return n, nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return 0, err
}

// Read reads what is buffered, else from the connection; large reads go around the buffer.
func (c *conn) Read(p []byte) (int, error) {
	if c.r == c.w {
		if len(p) >= bufferSize {
			return c.readInto(p)
		}
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.buffer[c.r:c.w])
	c.r += n
	return n, nil
}

// ReadByte reads one byte.
func (c *conn) ReadByte() (byte, error) {
	if c.r == c.w {
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	b := c.buffer[c.r]
	c.r++
	return b, nil
}

// Write writes p in pieces of a TLS record, each with a deadline.
func (c *conn) Write(p []byte) (int, error) {
	written := 0
	for {
		if err := c.SetWriteDeadline(c.deadline(c.io)); err != nil {
			return written, err
		}
		n, err := c.Conn.Write(p[:min(len(p), recordSize)])
		written += n
		if p = p[n:]; err != nil || len(p) == 0 {
			return written, err
		}
	}
}

// watch reads one byte in the background while the owner does something else, and calls gone if the
// connection ends meanwhile. The owner calls stop before it uses the connection again; it returns the error
// that ended the connection.
func (c *conn) watch(gone func()) (stop func() error) {
	if c.r < c.w || c.SetReadDeadline(time.Time{}) != nil {
		return func() error { return nil }
	}
	c.release()
	var n int
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		n, err = c.Conn.Read(c.first[:])
		if n == 0 && !errors.Is(err, os.ErrDeadlineExceeded) {
			gone()
		}
	}()
	return func() error {
		_ = c.SetReadDeadline(time.Unix(1, 0))
		<-done
		switch {
		case n == 1:
			c.push()
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		}
		return err
	}
}

// sendMessage deflates a document and writes it.
func (c *conn) sendMessage(document []byte) error {
	message, err := c.codec.deflate(document)
	if err != nil {
		return err
	}
	_, err = c.Write(message)
	return err
}
