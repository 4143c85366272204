package halibut

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"unicode/utf8"
)

// Sequence is a list in a result, of any length, that is made while it is written: it is never in memory whole. It calls yield with
// one element after the other, of the kinds that a slice may have but data streams, and returns when yield fails. It is called
// twice, as a list is written after its size, and must give the same both times. A message has one at most. nil is an empty list.
type Sequence func(yield func(element any) error) error

var sequenceType = reflect.TypeFor[Sequence]()

// inlined is how many bytes of a Sequence are encoded at once: where there are no more, it is called once.
const inlined = 64 << 10

// errMaking says that the maker of a Sequence failed.
var errMaking = errors.New("making a list failed")

// errSequence says that a Sequence was another one when it was called again.
var errSequence = errors.New("a list has changed while it was written")

// pending is a Sequence that is still to be written: its place in the encoded message, and its size.
type pending struct {
	at    int
	size  int64
	depth int
	made  Sequence
}

// sequence writes a list of which only the size may be known yet.
func (e *encoder) sequence(name string, s Sequence, depth int) error {
	if e.later != nil {
		return errors.New("a message has two lists that are made while they are written")
	}
	e.key(typeArray, name)
	start := e.begin()
	at := len(e.out)
	p := &pending{at: at, depth: depth, made: s}
	err := p.each(&e.names, true, func(element []byte, size int) error {
		p.size += int64(size)
		if p.size <= inlined {
			e.out = append(e.out, element...)
		}
		if p.size > maxEncoded {
			return fmt.Errorf("message exceeds %d bytes", maxEncoded)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if p.size > inlined {
		e.out, e.later = e.out[:at], p
	}
	e.end(start)
	return nil
}

// each calls do with the encoding of each element, which is valid until do returns, and its size. With measure, of those that are
// not encoded at once it has the size only, where that is known without encoding.
func (p *pending) each(names *fieldNames, measure bool, do func(element []byte, size int) error) error {
	if p.made == nil {
		return nil
	}
	one, shapes := encoder{names: *names}, shapes{}
	i, encoded := 0, 0
	var failed error
	err := p.made(func(element any) error {
		v, key := reflect.ValueOf(element), strconv.Itoa(i)
		i++
		one.out = one.out[:0]
		size, known := 0, false
		if measure && encoded > inlined {
			size, known = shapes.size(v, &one, p.depth)
			size += len(key)
		}
		if !known {
			if failed = one.value(key, v, p.depth); failed == nil && len(one.streams) > 0 {
				failed = errors.New("a data stream in a list that is made while it is written")
			}
			size = len(one.out)
			encoded += size
		}
		if failed != nil {
			failed = fmt.Errorf("%s: %w", key, failed)
			return failed
		}
		failed = do(one.out, size)
		return failed
	})
	*names = one.names
	if failed == nil && err != nil {
		return fmt.Errorf("%w: %w", errMaking, err)
	}
	return failed
}

// shapes are what is known of the sizes of structs.
type shapes map[reflect.Type]shape

// shape is the size of a struct but its texts, and which fields those are. measured is false where its size is not so simple.
type shape struct {
	measured bool
	fixed    int
	texts    []int
}

// size is that of an element without its key.
func (s shapes) size(v reflect.Value, e *encoder, depth int) (size int, known bool) {
	if !v.IsValid() {
		return 0, false
	}
	t, found := s[v.Type()]
	if !found {
		t = shapeOf(v.Type(), e, depth)
		s[v.Type()] = t
	}
	size = t.fixed
	for _, i := range t.texts {
		text := v.Field(i).String()
		if !utf8.ValidString(text) {
			return 0, false
		}
		size += len(text)
	}
	return size, t.measured
}

func shapeOf(t reflect.Type, e *encoder, depth int) (s shape) {
	if t.Kind() != reflect.Struct || t == timeType {
		return shape{}
	}
	for _, f := range e.names.of(t) {
		kind := t.Field(f.index).Type
		switch {
		case kind.Kind() == reflect.String:
			s.texts = append(s.texts, f.index)
		case !isScalar(kind) || kind == timeSpanType:
			return shape{}
		}
	}
	empty := encoder{names: e.names}
	if empty.value("", reflect.Zero(t), depth) != nil {
		return shape{}
	}
	s.fixed, s.measured = len(empty.out), true
	return s
}

// size is how many bytes the message has.
func (e *encoder) size() int64 {
	if e.later == nil {
		return int64(len(e.out))
	}
	return int64(len(e.out)) + e.later.size
}

// send deflates a message and writes it, a part at a time where it has a Sequence.
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
	left := e.later.size
	err = e.later.each(&e.names, false, func(element []byte, size int) error {
		if left -= int64(size); left < 0 {
			return errSequence
		}
		return d.write(element)
	})
	if err == nil && left > 0 {
		err = errSequence
	}
	if err != nil {
		return err
	}
	return d.end(e.out[e.later.at:])
}
