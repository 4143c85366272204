package halibut

import (
	"errors"
	"fmt"
	"reflect"
)

// Sequence is a list in a result, of any length, that is made while it is written: it is never in memory whole. As a list is written
// after its size, that must be known before. A message has one long Sequence at most. The zero Sequence is an empty list.
type Sequence struct {
	// Each calls yield with one element after the other, and returns when yield fails. yield does not keep the element.
	Each func(yield func(element Record) error) error
	// Count is how many elements there are. They are of the kind of Empty, which has no text.
	Count int
	Empty Record
	// Text is how many bytes the texts of all have, where what is not UTF-8 counts as the replacement character.
	Text int64
}

var sequenceType = reflect.TypeFor[Sequence]()

// inlined is how many bytes of a Sequence are encoded at once.
const inlined = 64 << 10

// errMaking says that the maker of a Sequence failed.
var errMaking = errors.New("making a list failed")

// errSequence says that a Sequence has not the size that it said.
var errSequence = errors.New("a list has another size than it said")

// pending is a Sequence that is still to be written: its place in the encoded message, and its size.
type pending struct {
	at   int
	size int64
	made Sequence
}

// sequence writes a list, or leaves its elements for later.
func (e *encoder) sequence(name string, s Sequence) error {
	e.key(typeArray, name)
	start := e.begin()
	size := s.size()
	switch {
	case size > maxEncoded:
		return fmt.Errorf("message exceeds %d bytes", maxEncoded)
	case size > inlined && e.later != nil:
		return errors.New("a message has two lists that are made while they are written")
	case size > inlined:
		e.later = &pending{at: len(e.out), size: size, made: s}
	default:
		err := s.write(size, func(element []byte) error {
			e.out = append(e.out, element...)
			return nil
		})
		if err != nil {
			return err
		}
	}
	e.end(start)
	return nil
}

// size is how many bytes the elements have on the wire.
func (s Sequence) size() int64 {
	if s.Count == 0 {
		return 0
	}
	var one Fields
	one.write(0, s.Empty)
	return int64(s.Count)*int64(len(one.out)-1) + indexSize(s.Count) + s.Text
}

// indexSize is how many digits the numbers below n have together.
func indexSize(n int) (sum int64) {
	for from, to, width := 0, 10, int64(1); from < n; from, to, width = to, 10*to, width+1 {
		sum += width * int64(min(n, to)-from)
	}
	return sum
}

// write calls do with the encoding of each element, which is valid until do returns. Together they have size bytes.
func (s Sequence) write(size int64, do func(element []byte) error) error {
	if s.Each == nil {
		return nil
	}
	var one Fields
	var failed error
	i, left := 0, size
	err := s.Each(func(element Record) error {
		one.out = one.out[:0]
		one.write(i, element)
		i++
		if left -= int64(len(one.out)); left < 0 {
			failed = errSequence
		} else {
			failed = do(one.out)
		}
		return failed
	})
	switch {
	case failed != nil:
		return failed
	case err != nil:
		return fmt.Errorf("%w: %w", errMaking, err)
	case left > 0:
		return errSequence
	}
	return nil
}

// size is how many bytes the message has.
func (e *encoder) size() int64 {
	if e.later == nil {
		return int64(len(e.out))
	}
	return int64(len(e.out)) + e.later.size
}

// send deflates a message and writes it, a part at a time where it has a long Sequence.
func (c *conn) send(e *encoder) error {
	if e.later == nil {
		return c.sendMessage(e.out)
	}
	d, err := c.codec.deflating(c)
	if err != nil {
		return err
	}
	defer d.release()
	if err := d.write(e.out[:e.later.at]); err != nil {
		return err
	}
	if err := e.later.made.write(e.later.size, d.write); err != nil {
		return err
	}
	return d.end(e.out[e.later.at:])
}
