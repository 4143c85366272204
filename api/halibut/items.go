package halibut

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"unicode/utf8"
)

const (
	// MaxPiece is the longest text of an item, in bytes, that Items pass on whole.
	MaxPiece = 256 << 10
	// maxRest bounds what is kept of a response beside the items of its list.
	maxRest = 1 << 20
	// portion is how much of a response is read between two calls of ClientConfig.Receive.
	portion = 256 << 10
	// maxStreamed bounds a response whose items are passed on: BSON has no longer document.
	maxStreamed = math.MaxInt32
)

// Items passes the items of a list in a result on while the response is read. It is made with EachItem.
type Items struct {
	list string
	pass func(d *decoder, raw rawValue, more bool) error
}

// EachItem calls pass for every item of a list, in order, as soon as it has arrived: a response of any size is then read
// in little memory, and ClientConfig.MaxMessage does not bound it. The list is the member of the result with that name on
// the wire; in the result itself it is empty. An item with a text longer than MaxPiece is passed in pieces, each a copy of
// the item with a part of the text: more is true for all but the last of them, and members that follow the text on the wire
// are missing. An item must have no DataStream. An error of pass ends the call. When the call fails, what was passed before
// remains passed.
func EachItem[T any](list string, pass func(item T, more bool) error) *Items {
	return &Items{list: list, pass: func(d *decoder, raw rawValue, more bool) error {
		var item T
		if err := d.item(raw, reflect.ValueOf(&item).Elem(), 0); err != nil {
			return err
		}
		return pass(item, more)
	}}
}

// itemReader reads a response, passes the items of its list on, and keeps the rest of it as a document.
type itemReader struct {
	r     *bufio.Reader
	at    int64 // how many bytes were read
	items *Items
	d     *decoder
	// rest is the document without the items, and item the one that is read.
	rest encoder
	item []byte
}

// readItems reads the response of size bytes whose first four were read, and returns what is left without its items.
func readItems(r *bufio.Reader, size int64, items *Items) ([]byte, error) {
	l := &itemReader{r: r, at: 4, items: items, d: newDecoder(0)}
	if err := l.within(size, []string{"Message", "result", items.list}); err != nil {
		return nil, err
	}
	return l.rest.out, nil
}

// document copies a document that ends at limit at the latest.
func (l *itemReader) document(limit int64, path []string) error {
	end, err := l.enter(limit)
	if err != nil {
		return err
	}
	return l.within(end, path)
}

// within copies the elements of a document that ends at end. The list is found by its path.
func (l *itemReader) within(end int64, path []string) error {
	start := l.rest.begin()
	for l.at < end-1 {
		kind, name, err := l.key(end - 1)
		if err != nil {
			return err
		}
		if l.rest.key(kind, name); len(l.rest.out) > maxRest {
			return ErrTooLarge
		}
		if err := l.element(kind, name, end-1, path); err != nil {
			return fmt.Errorf("element %.60q: %w", name, err)
		}
	}
	l.rest.end(start)
	return l.leave(end)
}

// element copies the value of an element, or the list without its items.
func (l *itemReader) element(kind byte, name string, limit int64, path []string) (err error) {
	on := len(path) > 0 && strings.EqualFold(name, path[0])
	switch {
	case on && len(path) == 1 && kind == typeArray:
		l.rest.end(l.rest.begin())
		return l.list(limit)
	case on && len(path) > 1 && kind == typeDocument:
		return l.document(limit, path[1:])
	default:
		l.rest.out, err = l.value(l.rest.out, kind, limit)
		return err
	}
}

// list passes the items of a list on.
func (l *itemReader) list(limit int64) error {
	end, err := l.enter(limit)
	if err != nil {
		return err
	}
	for l.at < end-1 {
		kind, _, err := l.shortKey(end - 1)
		switch {
		case err != nil:
			return err
		case kind == typeNull || kind == typeUndefined:
			err = l.give(rawValue{kind: kind}, false)
		case kind != typeDocument:
			return fmt.Errorf("BSON type %#02x where an item of a list belongs", kind)
		default:
			err = l.one(end - 1)
		}
		if err != nil {
			return err
		}
	}
	return l.leave(end)
}

// one passes an item on: whole, or in pieces if it is large.
func (l *itemReader) one(limit int64) error {
	head, err := l.r.Peek(4)
	if err != nil {
		return noEOF(err)
	}
	if size := binary.LittleEndian.Uint32(head); size > MaxPiece {
		return l.large(limit)
	}
	if l.item, err = l.value(l.item[:0], typeDocument, limit); err != nil {
		return err
	}
	return l.give(rawValue{typeDocument, l.item}, false)
}

func (l *itemReader) give(raw rawValue, more bool) error {
	l.d.budget = memoryFactor*int64(len(raw.data)) + memoryBase
	return l.items.pass(l.d, raw, more)
}

// large passes a large item on: the first long text in it by pieces. Further long ones are skipped.
func (l *itemReader) large(limit int64) error {
	end, err := l.enter(limit)
	if err != nil {
		return err
	}
	var head encoder
	head.begin()
	passed := false
	for l.at < end-1 {
		if err := l.member(&head, &passed, end-1); err != nil {
			return err
		}
	}
	if !passed {
		head.end(0)
		if err := l.give(rawValue{typeDocument, head.out}, false); err != nil {
			return err
		}
	}
	return l.leave(end)
}

// member reads a member of a large item into head, or passes the item on if it is the first long text.
func (l *itemReader) member(head *encoder, passed *bool, limit int64) error {
	kind, name, err := l.key(limit)
	if err != nil {
		return err
	}
	long := false
	if kind == typeString {
		if long, err = l.long(); err != nil {
			return err
		}
	}
	switch {
	case long && *passed:
		return l.skip(limit)
	case long:
		*passed = true
		return l.pieces(head.out, name, limit)
	}
	head.key(kind, name)
	head.out, err = l.value(head.out, kind, limit)
	if err == nil && len(head.out) > 2*MaxPiece {
		err = ErrTooLarge
	}
	return err
}

// long tells whether the text that follows is longer than a piece.
func (l *itemReader) long() (bool, error) {
	head, err := l.r.Peek(4)
	if err != nil {
		return false, noEOF(err)
	}
	return binary.LittleEndian.Uint32(head) > MaxPiece, nil
}

// skip reads a text and forgets it.
func (l *itemReader) skip(limit int64) error {
	size, err := l.textSize(limit)
	if err != nil {
		return err
	}
	l.at += size
	_, err = io.CopyN(io.Discard, l.r, size)
	return noEOF(err)
}

// textSize reads the length of a text.
func (l *itemReader) textSize(limit int64) (int64, error) {
	size, err := l.number()
	if err == nil && (size < 1 || l.at+size > limit) {
		err = errTruncated
	}
	return size, err
}

// pieces passes an item on whose members so far are head, with the text that follows, in pieces of whole characters.
func (l *itemReader) pieces(head []byte, name string, limit int64) error {
	size, err := l.textSize(limit)
	if err != nil {
		return err
	}
	l.at += size - 1
	text := make([]byte, 0, MaxPiece)
	for left := size - 1; left > 0; {
		n := min(left, int64(cap(text)-len(text)))
		text = text[:len(text)+int(n)]
		if _, err := io.ReadFull(l.r, text[len(text)-int(n):]); err != nil {
			return noEOF(err)
		}
		left -= n
		cut := len(text)
		if left > 0 {
			cut = wholeRunes(text)
		}
		piece := encoder{out: append([]byte{}, head...)}
		piece.text(name, string(text[:cut]))
		piece.end(0)
		if err := l.give(rawValue{typeDocument, piece.out}, left > 0); err != nil {
			return err
		}
		text = append(text[:0], text[cut:]...)
	}
	return l.zero()
}

// wholeRunes returns the length of a text without a character at its end that is not complete.
func wholeRunes(text []byte) int {
	for back := 1; back < utf8.UTFMax && back <= len(text); back++ {
		if at := len(text) - back; utf8.RuneStart(text[at]) {
			if !utf8.FullRune(text[at:]) {
				return at
			}
			break
		}
	}
	return len(text)
}
