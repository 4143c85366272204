package output

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Writer appends entries to the output in a folder. There is at most one for a folder at a time. It is
// safe for concurrent use, and never fails its caller: what cannot be written is missing from the output,
// and its numbers with it.
type Writer struct {
	dir    string
	limits Limits

	mu      sync.Mutex
	file    *os.File
	buf     []byte // entries of file that are not written yet
	millis  int64  // their time
	written int64  // bytes of file that are whole
	segment kept   // the open segment
	last    int64  // the last number given
	total   int64  // what all entries ever count for
	tail    []kept // finished segments behind the head, oldest first
	closed  bool
	failed  time.Time // when a segment could last not be begun
}

// rollPause is how long no segment is begun after one could not be: on a full disk a script that prints much
// is not to be held up by every line.
const rollPause = 50 * time.Millisecond

type kept struct {
	name string
	size int64
}

// OpenWriter continues the output in dir, or begins it. It creates no file before there is an entry.
func OpenWriter(dir string, limits Limits) (*Writer, error) {
	w := &Writer{dir: dir, limits: limits.withDefaults()}
	names, err := segments(dir)
	if err != nil {
		return nil, fmt.Errorf("listing output: %w", err)
	}
	if len(names) == 0 {
		return w, nil
	}
	end, err := NewReader(dir, 0).seek(names[len(names)-1])
	if err != nil {
		return nil, fmt.Errorf("reading output: %w", err)
	}
	w.last, w.total = end.number, end.size
	return w, nil
}

// Last is the number of the last entry, written or not; 0 where there is none.
func (w *Writer) Last() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// Line appends one line.
func (w *Writer) Line(source Source, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.add(source, []byte(text)[:min(int64(len(text)), w.limits.Line)])
	w.flush()
}

// Close ends the output. What comes later is discarded and gets no number.
func (w *Writer) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flush()
	w.closed = true
	w.closeFile()
}

func (w *Writer) closeFile() {
	if w.file != nil {
		_ = w.file.Close() // its content was flushed; nothing is lost by an error here
		w.file = nil
	}
}

// add appends one entry; flush writes it.
func (w *Writer) add(source Source, text []byte) {
	if w.closed {
		return
	}
	if w.file == nil || w.begun() && w.written+int64(len(w.buf)+entryHeader+len(text)) > w.limits.Segment {
		w.flush()
		w.roll()
	}
	size := keptSize(len(text))
	w.last++
	w.total += size
	if w.file == nil {
		return
	}
	w.segment.size += size
	long := len(text) > usual
	if long {
		w.flush()
	}
	if len(w.buf) == 0 {
		w.millis = time.Now().UnixMilli()
	}
	w.buf = appendEntryHeader(w.buf, w.last, w.millis, source, text)
	if long { // it is not copied
		w.write(w.buf, text)
		return
	}
	w.buf = append(w.buf, text...)
	if len(w.buf) >= 256<<10 {
		w.flush()
	}
}

// begun says whether the segment has an entry.
func (w *Writer) begun() bool { return w.written > segmentHeader || len(w.buf) > 0 }

// flush writes what is gathered, in one write.
func (w *Writer) flush() {
	if len(w.buf) > 0 {
		w.write(w.buf)
	}
}

// write writes the parts of whole entries. If that fails it is undone, so that the segment stays readable.
func (w *Writer) write(parts ...[]byte) {
	at := w.written
	for _, p := range parts {
		if w.file == nil {
			break
		}
		n, err := w.file.WriteAt(p, at)
		at += int64(n)
		if err == nil {
			continue
		}
		at = w.written
		if w.file.Truncate(w.written) != nil {
			w.closeFile()
		}
		break
	}
	w.written = at
	w.buf = w.buf[:0]
}

// roll begins the next segment, and removes the oldest one behind the head that is no longer needed.
func (w *Writer) roll() {
	if w.file != nil {
		w.closeFile()
		w.retire()
	}
	if time.Since(w.failed) < rollPause {
		return
	}
	w.failed = time.Now()
	name := segmentName(w.last + 1)
	file, err := os.OpenFile(filepath.Join(w.dir, name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600) // #nosec G304 -- a file of the ticket's own folder
	if err != nil {
		return
	}
	header := appendSegmentHeader(nil, w.last+1, w.total)
	if _, err := file.WriteAt(header, 0); err != nil {
		_ = file.Close()
		_ = os.Remove(file.Name()) // without its header a reader passes over it anyway
		return
	}
	w.file, w.written, w.segment, w.failed = file, int64(len(header)), kept{name: name}, time.Time{}
}

func (w *Writer) retire() {
	if w.total-w.segment.size < w.limits.Head {
		return
	}
	w.tail = append(w.tail, w.segment)
	sum := int64(0)
	for _, k := range w.tail {
		sum += k.size
	}
	for len(w.tail) > 1 && sum-w.tail[0].size >= w.limits.Tail {
		if err := os.Remove(filepath.Join(w.dir, w.tail[0].name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return
		}
		sum -= w.tail[0].size
		w.tail = w.tail[1:]
	}
}
