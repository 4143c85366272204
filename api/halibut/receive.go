package halibut

import (
	"bufio"
	"context"
	"io"
	"time"
)

// slowest is how many bytes of an inflated response have to come in a second, after the first minute.
const slowest = 16 << 10

// receive reads a response into memory once there is room for it, but for the items that are passed on. Release is called
// when it was decoded.
func (c *Client) receive(ctx context.Context, cc *clientConn, items *Items) (document []byte, release func(), err error) {
	defer func() { cc.limit = time.Time{} }()
	room := &room{client: c, ctx: ctx, cc: cc}
	if items == nil {
		document, err = c.codec.inflateIn(cc, c.config.MaxMessage, func(size int64) error {
			room.expect(size)
			return room.take(size)
		})
		return document, room.release, err
	}
	err = c.codec.inflating(cc, maxStreamed, func(r io.Reader, compressed *meter) error {
		_, size, err := readSize(r, maxStreamed)
		if err != nil {
			return err
		}
		compressed.left = size + slack(size)
		room.expect(size)
		buffered := c.codec.bufio(&portions{Reader: r, left: size - 4, take: room.take})
		defer c.codec.putBufio(buffered)
		if document, err = readItems(buffered, size, items); err != nil {
			return err
		}
		return readEnd(buffered)
	})
	return document, room.release, err
}

// room is what a response has of the memory that ClientConfig.Receive gives.
type room struct {
	client *Client
	ctx    context.Context
	cc     *clientConn
	free   func()
}

// expect sets when a response of that size must have arrived.
func (r *room) expect(size int64) {
	r.cc.limit = time.Now().Add(time.Minute + time.Duration(size/slowest)*time.Second)
}

// take gives back what it took before and takes room for n bytes. The peer is given the time for which it waits.
func (r *room) take(n int64) error {
	r.release()
	if r.client.config.Receive == nil {
		return nil
	}
	asked := time.Now()
	free, err := r.client.config.Receive(r.ctx, n)
	r.cc.limit = r.cc.limit.Add(time.Since(asked))
	r.free = free
	return err
}

func (r *room) release() {
	if r.free != nil {
		r.free()
		r.free = nil
	}
}

// portions reads a message of which left bytes are missing, and asks before it reads each portion.
type portions struct {
	io.Reader
	left, taken int64
	take        func(n int64) error
}

// Read reads what was taken, at most.
func (p *portions) Read(b []byte) (int, error) {
	if p.left <= 0 {
		return p.Reader.Read(b)
	}
	if p.taken == 0 {
		n := min(p.left, portion)
		if err := p.take(n); err != nil {
			return 0, err
		}
		p.taken = n
	}
	n, err := p.Reader.Read(b[:min(int64(len(b)), p.taken)])
	p.left, p.taken = p.left-int64(n), p.taken-int64(n)
	return n, err
}

// bufio returns a buffered reader; it is given back with putBufio.
func (c *codec) bufio(r io.Reader) *bufio.Reader {
	if kept, ok := c.buffered.Get().(*bufio.Reader); ok {
		kept.Reset(r)
		return kept
	}
	return bufio.NewReaderSize(r, bufferSize)
}

func (c *codec) putBufio(r *bufio.Reader) {
	r.Reset(eofSource{}) // it must not keep the connection alive
	c.buffered.Put(r)
}
