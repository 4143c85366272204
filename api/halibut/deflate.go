package halibut

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
)

const (
	// recordSize is what fits into one TLS record. A message of at most this size is one write (halibut.md
	// section 3.6, rule W3).
	recordSize = 16384
	// storedHeader is the size of a stored block's header.
	storedHeader = 5
	// storedTail is how much of a compressed message is left to the last, stored block (rule W2).
	storedTail = 16
	// flushed is how much compressed data of a response is written at once.
	copySize = recordSize
)

// codec holds what compressing and decompressing messages needs. A flate.Writer takes 0.8 MB, so few work at
// once and they are kept for others; readers and buffers are kept too. It is safe for concurrent use.
type codec struct {
	compressing chan struct{}
	writers     sync.Pool
	readers     sync.Pool
	buffered    sync.Pool
	buffers     sync.Pool
}

func newCodec() *codec {
	return &codec{
		compressing: make(chan struct{}, max(2, runtime.NumCPU())),
		buffers:     sync.Pool{New: func() any { return new([bufferSize]byte) }},
	}
}

// deflate compresses a document such that every generation of readers finds its end: small ones as one stored
// block, others with a stored block for the last bytes (halibut.md section 3.6). It reuses document's memory
// no further.
func (c *codec) deflate(document []byte) ([]byte, error) {
	if len(document) <= recordSize-storedHeader {
		return appendStored(make([]byte, 0, len(document)+storedHeader), document), nil
	}
	c.compressing <- struct{}{}
	defer func() { <-c.compressing }()
	var out bytes.Buffer
	w, err := c.writer(&out)
	if err != nil {
		return nil, err
	}
	defer c.writers.Put(w)
	body, tail := document[:len(document)-storedTail], document[len(document)-storedTail:]
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Flush(); err != nil {
		return nil, err
	}
	return appendStored(out.Bytes(), tail), nil
}

// writer returns one that compresses to out; it goes back to writers.
func (c *codec) writer(out io.Writer) (*flate.Writer, error) {
	if w, ok := c.writers.Get().(*flate.Writer); ok {
		w.Reset(out)
		return w, nil
	}
	w, err := flate.NewWriter(out, flate.BestSpeed)
	if err != nil {
		return nil, fmt.Errorf("compressing: %w", err)
	}
	return w, nil
}

// appendStored appends the last block of a deflate stream, with data stored in it.
func appendStored(out, data []byte) []byte {
	n := uint16(len(data))
	out = append(out, 1)
	out = binary.LittleEndian.AppendUint16(out, n)
	out = binary.LittleEndian.AppendUint16(out, ^n)
	return append(out, data...)
}

// byteSource is what the decompressor needs so that it reads not one byte too far.
type byteSource interface {
	io.Reader
	io.ByteReader
}

// meter ends a source after a number of bytes: a deflate stream can go on for ever without inflating to
// anything.
type meter struct {
	source byteSource
	left   int64
}

// ErrTooLarge says that a message has more bytes than are allowed.
var ErrTooLarge = errors.New("message is too large")

func (m *meter) ReadByte() (byte, error) {
	if m.left <= 0 {
		return 0, ErrTooLarge
	}
	m.left--
	return m.source.ReadByte()
}

func (m *meter) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, ErrTooLarge
	}
	n, err := m.source.Read(p[:min(int64(len(p)), m.left)])
	m.left -= int64(n)
	return n, err
}

// inflate reads one message: a deflate stream to its last block, with one BSON document of at most limit
// bytes in it and nothing else. What follows in the source is not touched.
func (c *codec) inflate(source byteSource, limit int64) ([]byte, error) {
	return c.inflateIn(source, limit, func(int64) error { return nil })
}

// inflateIn is inflate that asks for room for the document first, by its size.
func (c *codec) inflateIn(source byteSource, limit int64, room func(size int64) error) (document []byte, err error) {
	err = c.inflating(source, limit, func(r io.Reader, _ *meter) (err error) {
		document, err = readWhole(r, limit, room)
		return err
	})
	return document, err
}

// slack is how many more compressed bytes a message may have than inflated ones.
func slack(size int64) int64 { return size/8 + 64<<10 }

// inflating calls read with what a source inflates to, which has at most limit bytes.
func (c *codec) inflating(source byteSource, limit int64, read func(io.Reader, *meter) error) error {
	metered := &meter{source: source, left: limit + slack(limit)}
	r, ok := c.readers.Get().(io.ReadCloser)
	if ok {
		if err := r.(flate.Resetter).Reset(metered, nil); err != nil {
			return err
		}
	} else {
		r = flate.NewReader(metered)
	}
	err := read(r, metered)
	// The reader must not keep the connection alive.
	_ = r.(flate.Resetter).Reset(eofSource{}, nil)
	c.readers.Put(r)
	if err != nil {
		return fmt.Errorf("inflating message: %w", err)
	}
	return nil
}

type eofSource struct{}

func (eofSource) Read([]byte) (int, error) { return 0, io.EOF }
func (eofSource) ReadByte() (byte, error)  { return 0, io.EOF }

// readWhole reads a BSON document by its own length, and then the end.
func readWhole(r io.Reader, limit int64, room func(size int64) error) ([]byte, error) {
	header, size, err := readSize(r, limit)
	if err != nil {
		return nil, err
	}
	if err := room(size); err != nil {
		return nil, err
	}
	var document bytes.Buffer
	document.Grow(int(size) + bytes.MinRead) // once, as there is room for it
	document.Write(header[:])
	if _, err := io.CopyN(&document, r, size-int64(len(header))); err != nil {
		return nil, noEOF(err)
	}
	return document.Bytes(), readEnd(r)
}

// readSize reads the length of a BSON document, which is its first four bytes.
func readSize(r io.Reader, limit int64) (header [4]byte, size int64, err error) {
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return header, 0, noEOF(err)
	}
	size = int64(binary.LittleEndian.Uint32(header[:]))
	if size > limit {
		return header, 0, fmt.Errorf("%w: %d bytes where %d are allowed", ErrTooLarge, size, limit)
	}
	if size < emptyDocument {
		return header, 0, errDocument
	}
	return header, size, nil
}

// readEnd reads the end of a message after its document.
func readEnd(r io.Reader) error {
	var more [1]byte
	switch n, err := io.ReadFull(r, more[:]); {
	case n > 0:
		return errors.New("there is more in the message than its document")
	case err != io.EOF:
		return err
	}
	return nil
}

// noEOF is for places where the end of the input is an error.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
