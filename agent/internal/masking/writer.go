package masking

import "io"

// Writer masks one stream. It is for one goroutine.
type Writer struct {
	m       *Masker
	out     io.Writer
	state   int32
	pending []byte // what is held back
	covered []span // the parts of pending that belong to values, in order and apart from each other
	inMask  bool   // the last byte that was passed on belonged to a value
	buf     []byte
}

// span is [from, to) within pending.
type span struct{ from, to int }

// Writer makes the writer of one stream that ends in out.
func (m *Masker) Writer(out io.Writer) *Writer { return &Writer{m: m, out: out} }

// Write takes the next bytes and passes on all that can no longer be part of a value. It keeps nothing
// of p.
func (w *Writer) Write(p []byte) (int, error) {
	if len(w.m.nodes) == 1 { // there is nothing to mask
		if len(p) == 0 {
			return 0, nil
		}
		return w.out.Write(p)
	}
	w.buf = w.buf[:0]
	for i := 0; i < len(p); i++ {
		if w.state == 0 { // nothing is held back: what begins no value passes in one piece
			from := i
			i += w.m.skip(p[i:])
			w.plain(p[from:i])
			if i == len(p) {
				break
			}
		}
		w.pending = append(w.pending, p[i])
		w.state = w.m.next(w.state, p[i])
		n := w.m.nodes[w.state]
		if n.match > 0 {
			w.cover(len(w.pending)-int(n.match), len(w.pending))
		}
		if n.depth == 0 || len(w.pending) >= 2*int(n.depth)+4096 {
			w.commit(len(w.pending) - int(n.depth))
		}
	}
	w.commit(len(w.pending) - int(w.m.nodes[w.state].depth))
	if len(w.buf) == 0 {
		return len(p), nil
	}
	if _, err := w.out.Write(w.buf); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush passes on what is held back: the stream is at its end. The writer may be used for another one.
func (w *Writer) Flush() error {
	w.buf = w.buf[:0]
	w.commit(len(w.pending))
	w.state, w.inMask = 0, false
	if len(w.buf) == 0 {
		return nil
	}
	_, err := w.out.Write(w.buf)
	return err
}

// cover joins [from, to), which ends later than all others, with the spans that it touches.
func (w *Writer) cover(from, to int) {
	for len(w.covered) > 0 && w.covered[len(w.covered)-1].to >= from {
		from = min(from, w.covered[len(w.covered)-1].from)
		w.covered = w.covered[:len(w.covered)-1]
	}
	w.covered = append(w.covered, span{from, to})
}

// commit moves the first n bytes of pending to buf, masked.
func (w *Writer) commit(n int) {
	if n == 0 {
		return
	}
	at, kept := 0, w.covered[:0]
	for _, s := range w.covered {
		if s.from >= n {
			kept = append(kept, span{s.from - n, s.to - n})
			continue
		}
		w.plain(w.pending[at:s.from])
		if !w.inMask {
			w.buf = append(w.buf, Mask...)
		}
		w.inMask = true
		at = min(s.to, n)
		if s.to > n {
			kept = append(kept, span{0, s.to - n})
		}
	}
	w.covered = kept
	w.plain(w.pending[at:n])
	w.pending = append(w.pending[:0], w.pending[n:]...)
}

func (w *Writer) plain(p []byte) {
	if len(p) > 0 {
		w.buf = append(w.buf, p...)
		w.inMask = false
	}
}
