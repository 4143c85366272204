package engine

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// What a worker and its engine send each other: a letter, a length of four bytes, and that many bytes. The
// worker's output is all they have, as sudo(8) leaves a program only its standard streams.
const (
	frameJob     = 'j' // to the worker: what to run
	frameHello   = 'h' // from the worker: it is there
	frameStdout  = 'o' // what the script prints
	frameStderr  = 'e'
	frameOutcome = 'r' // the end
)

// The largest frames: of a job with its environment, and of what a worker may say.
const (
	maxJob   = 64 << 20
	maxReply = 8 << 20
	maxPiece = 64 << 10
)

// frameWriter writes whole frames, from any goroutine.
type frameWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (f *frameWriter) write(kind byte, data []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	head := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(data))) // #nosec G115 -- bounded by who writes
	if _, err := f.w.Write(append(head, data...)); err != nil {
		return fmt.Errorf("writing to the other part of the engine: %w", err)
	}
	return nil
}

func (f *frameWriter) json(kind byte, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return f.write(kind, data)
}

// frameStream is one stream of a script, in frames. It never fails: nobody who prints is to be ended by that.
type frameStream struct {
	f    *frameWriter
	kind byte
}

func (s frameStream) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n := min(len(rest), maxPiece)
		_ = s.f.write(s.kind, rest[:n])
		rest = rest[n:]
	}
	return len(p), nil
}

// readFrame reads a frame of at most limit bytes. io.EOF is an end between two frames.
func readFrame(r *bufio.Reader, limit uint32) (kind byte, data []byte, err error) {
	if kind, err = r.ReadByte(); err != nil {
		return 0, nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return 0, nil, io.ErrUnexpectedEOF
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > limit {
		return 0, nil, fmt.Errorf("a frame of %d bytes is too long", n)
	}
	var b bytes.Buffer // grows with what arrives, not with what is promised
	if _, err := io.CopyN(&b, r, int64(n)); err != nil {
		return 0, nil, io.ErrUnexpectedEOF
	}
	return kind, b.Bytes(), nil
}
