package halibut

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

const (
	// spoolMemory is the largest received data stream that is kept in memory, as long as those of its message
	// take no more than spoolMemoryAll together.
	spoolMemory    = 256 << 10
	spoolMemoryAll = 1 << 20
)

// errSpool means that received content could not be stored.
var errSpool = errors.New("storing received data failed")

// errRefused is the failure of a spool that is to store nothing.
var errRefused = errors.New("the data was refused")

// sendStreams writes the frames of data streams, each part on its own, with a pause before each where the
// peer is old (halibut.md sections 3.6 and 4).
func (c *conn) sendStreams(streams []*DataStream, pause time.Duration) error {
	for _, s := range streams {
		if err := c.sendStream(s, pause); err != nil {
			return fmt.Errorf("sending data stream: %w", err)
		}
	}
	return nil
}

func (c *conn) sendStream(s *DataStream, pause time.Duration) error {
	content, err := s.Open()
	if err != nil {
		return err
	}
	defer content.Close()
	id := s.id.net()
	length := binary.LittleEndian.AppendUint64(nil, uint64(s.length))
	for _, part := range [][]byte{id[:], length} {
		rest(pause)
		if _, err := c.Write(part); err != nil {
			return err
		}
	}
	rest(pause)
	chunk := make([]byte, min(s.length, copySize))
	for left := s.length; left > 0; {
		n, err := io.ReadFull(content, chunk[:min(left, copySize)])
		if err != nil {
			return fmt.Errorf("content ends %d bytes before its length: %w", left-int64(n), err)
		}
		if _, err := c.Write(chunk[:n]); err != nil {
			return err
		}
		left -= int64(n)
	}
	rest(pause)
	_, err = c.Write(length)
	return err
}

// rest lets an old peer's reader return before more is written. Cancelling closes the connection meanwhile, so
// nobody waits here for longer than the pause.
func rest(pause time.Duration) {
	if pause > 0 {
		<-time.After(pause)
	}
}

// readStreams reads the frames that follow a message, in whatever order they come, and stores their content
// by way of store. When it fails nothing remains stored, and the connection is usable only if store.inStep.
func readStreams(source io.Reader, streams []*DataStream, store *spool) error {
	expected := make(map[GUID]*DataStream, len(streams))
	for _, s := range streams {
		if expected[s.id] != nil {
			return fmt.Errorf("data stream %s is announced twice", s.id)
		}
		expected[s.id] = s
	}
	for range streams {
		if err := readFrame(source, expected, store); err != nil {
			discardAll(streams)
			return fmt.Errorf("reading data stream: %w", err)
		}
	}
	store.inStep = true
	if store.failed != nil {
		discardAll(streams)
	}
	return store.failed
}

func discardAll(streams []*DataStream) {
	for _, s := range streams {
		s.Discard()
	}
}

func readFrame(source io.Reader, expected map[GUID]*DataStream, store *spool) error {
	var header [24]byte
	if _, err := io.ReadFull(source, header[:]); err != nil {
		return noEOF(err)
	}
	id := GUID(header[:16]).net()
	s := expected[id]
	if s == nil {
		return fmt.Errorf("data stream %s was not announced", id)
	}
	delete(expected, id)
	length := int64(binary.LittleEndian.Uint64(header[16:]))
	if length != s.length {
		return fmt.Errorf("data stream %s has length %d, announced were %d", id, length, s.length)
	}
	if err := store.take(source, s); err != nil {
		return err
	}
	if _, err := io.ReadFull(source, header[:8]); err != nil {
		return noEOF(err)
	}
	if again := int64(binary.LittleEndian.Uint64(header[:8])); again != length {
		return fmt.Errorf("data stream %s has length %d, at its end %d", id, length, again)
	}
	return nil
}

// spool stores content in memory or in files.
type spool struct {
	folder string
	// digests are of what is stored in files; nil for none.
	digests *digests
	memory  int64
	// failed is the first failure to store, or the refusal; from then on content is read and thrown away,
	// up to waste bytes.
	failed error
	waste  int64
	// inStep is set when every frame was read to its end.
	inStep bool
}

func newSpool(folder string, waste int64) *spool {
	return &spool{folder: folder, memory: spoolMemoryAll, waste: waste}
}

// take reads a stream's content. Its error is one of the source, or that too much is to be thrown away.
func (p *spool) take(source io.Reader, s *DataStream) error {
	switch {
	case p.failed != nil:
		return p.discard(source, s.length)
	case s.length <= spoolMemory && s.length <= p.memory:
		p.memory -= s.length
		s.data = make([]byte, s.length)
		n, err := io.ReadFull(source, s.data)
		s.arrived.Add(int64(n))
		return noEOF(err)
	}
	f, err := os.CreateTemp(p.folder, "stream-*")
	if err != nil {
		p.failed = fmt.Errorf("%w: %w", errSpool, err)
		return p.discard(source, s.length)
	}
	s.path = f.Name()
	left, err := p.store(source, f, s)
	if closing := f.Close(); closing != nil && p.failed == nil {
		p.failed = fmt.Errorf("%w: %w", errSpool, closing)
	}
	if err != nil || left == 0 {
		return err
	}
	return p.discard(source, left)
}

// store copies a stream's content to a file. When the file does not take it, it notes that and returns what was not
// yet read.
func (p *spool) store(source io.Reader, f *os.File, s *DataStream) (left int64, err error) {
	of := p.digests.begin()
	left, err = p.copy(source, f, s, of)
	if sum := of.end(); err == nil && p.failed == nil {
		s.digest = sum
	}
	return left, err
}

func (p *spool) copy(source io.Reader, f *os.File, s *DataStream, of digester) (left int64, err error) {
	for n := s.length; n > 0; {
		part := of.part()
		k, err := io.ReadFull(source, part[:min(n, int64(len(part)))])
		if err != nil {
			return 0, noEOF(err)
		}
		n -= int64(k)
		if _, err := f.Write(part[:k]); err != nil {
			p.failed = fmt.Errorf("%w: %w", errSpool, err)
			return n, nil
		}
		s.arrived.Add(int64(k))
		of.add(part[:k])
	}
	return 0, nil
}

func (p *spool) discard(source io.Reader, n int64) error {
	if n > p.waste {
		return fmt.Errorf("%w and too large to throw away", p.failed)
	}
	p.waste -= n
	_, err := io.CopyN(io.Discard, source, n)
	return noEOF(err)
}
