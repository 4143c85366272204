package halibut

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
)

const dataStreamType = "Halibut.DataStream, Halibut"

// DataStream is content of any size that travels behind a message instead of in it (halibut.md section 4).
// One to send is made by NewDataStream. One that was received is complete when it is handed over and lies in
// memory or, when large, in a file of the spool folder until Discard.
type DataStream struct {
	id     GUID
	length int64
	open   func() (io.ReadCloser, error)
	// atHand says that the content is in memory, so nobody waits for it.
	atHand bool

	mu      sync.Mutex
	data    []byte
	path    string
	digest  []byte
	removed bool

	// arrived is how much of one that is received was stored, and read how much of that was read since.
	arrived, read atomic.Int64
}

// counted is the content of a data stream that was received.
type counted struct {
	io.ReadCloser
	stream *DataStream
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.stream.read.Add(int64(n))
	return n, err
}

// NewDataStream describes content of exactly length bytes. open is called each time that it is sent and must
// give it from its beginning; content that ends early breaks the connection, what is beyond length is not
// sent. A DataStream may be sent in several calls at once where open allows it, but only once in a message.
func NewDataStream(length int64, open func() (io.ReadCloser, error)) *DataStream {
	return &DataStream{id: NewGUID(), length: length, open: open}
}

// NewDataStreamBytes describes content that is in memory. The bytes must not change while it is in use.
func NewDataStreamBytes(content []byte) *DataStream {
	stream := NewDataStream(int64(len(content)), func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	})
	stream.atHand = true
	return stream
}

// Len returns the length in bytes.
func (d *DataStream) Len() int64 { return d.length }

// Open returns the content from its beginning. The caller closes it.
func (d *DataStream) Open() (io.ReadCloser, error) {
	if d.open != nil {
		return d.open()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.removed:
		return nil, errors.New("the data stream's content was discarded")
	case d.path != "":
		f, err := os.Open(d.path)
		if err != nil {
			return nil, err
		}
		return &counted{f, d}, nil
	case int64(len(d.data)) != d.length:
		return nil, errors.New("the data stream's content has not arrived")
	default:
		return &counted{io.NopCloser(bytes.NewReader(d.data)), d}, nil
	}
}

// Spooled returns the file in which the content of a received stream lies; empty if it lies in memory. Who renames the file
// keeps it.
func (d *DataStream) Spooled() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.path
}

// Digest returns the digest of what Spooled names, as it arrived; nil if none was asked for.
func (d *DataStream) Digest() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.digest
}

// Discard removes the spooled content of a received stream; on one that was made by NewDataStream, and on
// nil, it does nothing. A server discards the streams of its parameters when the method has returned; who
// called a Client discards those of the result.
func (d *DataStream) Discard() {
	if d == nil || d.open != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.path != "" {
		_ = os.Remove(d.path)
	}
	d.data, d.path, d.removed = nil, "", true
}
