package masking

import "io"

// Writer masks one stream. It is for one goroutine.
type Writer struct {
	m       *Masker
	out     io.Writer
	state   int32
	fold    fold
	pending []byte  // what is held back
	letters []int32 // where each letter of pending begins; the first is at 0
	code    []byte  // what may become the code of a colour behind pending
	covered []span  // the parts of pending that belong to values, in order and apart from each other
	inMask  bool    // the last byte that was passed on belonged to a value
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
	if len(w.code) > 0 {
		w.read(append(w.code[:len(w.code):len(w.code)], p...))
	} else {
		w.read(p)
	}
	w.commit(len(w.letters) - w.depth())
	if len(w.buf) == 0 {
		return len(p), nil
	}
	if _, err := w.out.Write(w.buf); err != nil {
		return 0, err
	}
	return len(p), nil
}

// read takes bytes, and keeps in code those at their end that are not yet known to be letters.
func (w *Writer) read(p []byte) {
	w.code = w.code[:0]
	for len(p) > 0 {
		if w.state == 0 { // nothing is held back: what begins no value passes in one piece
			n := w.m.skip(p)
			w.plain(p[:n])
			if p = p[n:]; len(p) == 0 {
				return
			}
		}
		if p[0] != escape {
			w.take(p[0])
			p = p[1:]
			continue
		}
		n, more := colour(p)
		switch {
		case more:
			w.code = append(w.code, p...)
			return
		case n > 0:
			w.space(p[:n])
		default:
			n = 1
			w.take(escape)
		}
		p = p[n:]
	}
}

// take takes a byte that belongs to no code of a colour.
func (w *Writer) take(b byte) {
	letter, ok := w.fold.letter(b)
	if !ok {
		w.space([]byte{b})
		return
	}
	w.letters = append(w.letters, int32(len(w.pending))) // #nosec G115 -- bounded by the longest value and maxSpace
	w.pending = append(w.pending, b)
	w.state = w.m.next(w.state, letter)
	if match := int(w.m.nodes[w.state].match); match > 0 {
		w.cover(int(w.letters[len(w.letters)-match]), len(w.pending))
	}
	depth := w.depth()
	if depth == 0 || len(w.letters) >= 2*depth+4096 {
		w.commit(len(w.letters) - depth)
	}
	if depth == 0 {
		w.fold = fold{}
	}
}

// space takes bytes that are no letters. Where they become too many, what is held back is no value.
func (w *Writer) space(p []byte) {
	if w.state == 0 {
		w.plain(p)
		return
	}
	w.pending = append(w.pending, p...)
	if len(w.pending)-len(w.letters) > maxSpace {
		w.commit(len(w.letters))
		w.state, w.fold = 0, fold{}
	}
}

// depth is how many letters at the end of pending may be the beginning of a value.
func (w *Writer) depth() int { return int(w.m.nodes[w.state].depth) }

// Flush passes on what is held back: the stream is at its end. The writer may be used for another one.
func (w *Writer) Flush() error {
	w.buf = w.buf[:0]
	for _, b := range w.code {
		w.take(b)
	}
	w.commit(len(w.letters))
	w.state, w.fold, w.code, w.inMask = 0, fold{}, w.code[:0], false
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

// commit moves the first letters of pending to buf, masked, and what follows them.
func (w *Writer) commit(letters int) {
	if letters == 0 {
		return
	}
	n := len(w.pending)
	if letters < len(w.letters) {
		n = int(w.letters[letters])
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
	w.letters = append(w.letters[:0], w.letters[letters:]...)
	for i := range w.letters {
		w.letters[i] -= int32(n) // #nosec G115 -- as above
	}
}

func (w *Writer) plain(p []byte) {
	if len(p) > 0 {
		w.buf = append(w.buf, p...)
		w.inMask = false
	}
}
