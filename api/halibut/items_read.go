package halibut

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// enter reads the length of a document and returns where it ends.
func (l *itemReader) enter(limit int64) (end int64, err error) {
	size, err := l.number()
	if err != nil {
		return 0, err
	}
	if end = l.at - 4 + size; size < emptyDocument || end > limit {
		return 0, errDocument
	}
	return end, nil
}

// leave reads the end of a document.
func (l *itemReader) leave(end int64) error {
	if l.at != end-1 {
		return errDocument
	}
	return l.zero()
}

func (l *itemReader) zero() error {
	l.at++
	switch b, err := l.r.ReadByte(); {
	case err != nil:
		return noEOF(err)
	case b != 0:
		return errDocument
	default:
		return nil
	}
}

func (l *itemReader) number() (int64, error) {
	var n [4]byte
	if _, err := io.ReadFull(l.r, n[:]); err != nil {
		return 0, noEOF(err)
	}
	l.at += int64(len(n))
	return int64(int32(binary.LittleEndian.Uint32(n[:]))), nil
}

// key reads the type and the name of an element.
func (l *itemReader) key(limit int64) (kind byte, name string, err error) {
	kind, said, err := l.shortKey(limit)
	return kind, string(said), err
}

// shortKey is key whose name is valid until more is read.
func (l *itemReader) shortKey(limit int64) (kind byte, name []byte, err error) {
	if kind, err = l.r.ReadByte(); err != nil {
		return 0, nil, noEOF(err)
	}
	said, err := l.r.ReadSlice(0)
	if errors.Is(err, bufio.ErrBufferFull) {
		return 0, nil, ErrTooLarge
	}
	if l.at += int64(1 + len(said)); err == nil && l.at > limit {
		err = errTruncated
	}
	if err != nil {
		return 0, nil, noEOF(err)
	}
	return kind, said[:len(said)-1], nil
}

// value appends the value of an element, which is read whole.
func (l *itemReader) value(to []byte, kind byte, limit int64) ([]byte, error) {
	if kind == typeRegex {
		return to, errors.New("a regular expression in a response")
	}
	head, err := l.r.Peek(int(min(prefixOf(kind), limit-l.at)))
	if err != nil {
		return to, noEOF(err)
	}
	size, err := sizeOf(kind, head, limit-l.at)
	switch {
	case err != nil:
		return to, err
	case size > limit-l.at:
		return to, errTruncated
	case size > maxRest:
		return to, ErrTooLarge
	}
	l.at += size
	from := len(to)
	to = append(to, make([]byte, size)...)
	_, err = io.ReadFull(l.r, to[from:])
	return to, noEOF(err)
}
