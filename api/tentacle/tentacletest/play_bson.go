package tentacletest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
)

// The BSON types that the wire has (halibut.md section 3.4).
const (
	bsonDouble   = 0x01
	bsonString   = 0x02
	bsonDocument = 0x03
	bsonArray    = 0x04
	bsonBinary   = 0x05
	bsonBool     = 0x08
	bsonDate     = 0x09
	bsonNull     = 0x0a
	bsonInt32    = 0x10
	bsonInt64    = 0x12

	maxDepth = 64
)

var errBSON = errors.New("the document is no BSON of this protocol")

// element is one member of a document, by name and type. Numbers, dates and bools are in number; strings in
// text; binary in data, with its subtype; documents and arrays in members.
type element struct {
	name    string
	kind    byte
	subtype byte
	number  float64
	text    string
	data    []byte
	members []element
}

// member finds a member by its path; a null element stands for one that is not there.
func (e element) member(path ...string) element {
	for _, name := range path {
		found := element{kind: bsonNull}
		for _, m := range e.members {
			if m.name == name {
				found = m
			}
		}
		e = found
	}
	return e
}

func (e element) isNull() bool { return e.kind == bsonNull }

// parseBSON reads a whole document.
func parseBSON(document []byte) (element, error) {
	members, rest, err := parseMembers(document, 0)
	if err != nil || len(rest) != 0 {
		return element{}, errBSON
	}
	return element{kind: bsonDocument, members: members}, nil
}

func parseMembers(b []byte, depth int) (members []element, rest []byte, err error) {
	if len(b) < 5 || depth > maxDepth {
		return nil, nil, errBSON
	}
	size := int64(binary.LittleEndian.Uint32(b))
	if size < 5 || size > int64(len(b)) || b[size-1] != 0 {
		return nil, nil, errBSON
	}
	rest, b = b[size:], b[4:size-1]
	for len(b) > 0 {
		var e element
		e.kind = b[0]
		name, after, found := bytes.Cut(b[1:], []byte{0})
		if !found {
			return nil, nil, errBSON
		}
		e.name = string(name)
		if b, err = e.parse(after, depth); err != nil {
			return nil, nil, err
		}
		members = append(members, e)
	}
	return members, rest, nil
}

// width is the size of the values that have a fixed one.
func width(kind byte) int {
	switch kind {
	case bsonDouble, bsonDate, bsonInt64:
		return 8
	case bsonInt32:
		return 4
	case bsonBool:
		return 1
	}
	return 0
}

func (e *element) parse(b []byte, depth int) (rest []byte, err error) {
	n := width(e.kind)
	if len(b) < n {
		return nil, errBSON
	}
	switch e.kind {
	case bsonDouble:
		e.number = math.Float64frombits(binary.LittleEndian.Uint64(b))
	case bsonDate, bsonInt64:
		e.number = float64(int64(binary.LittleEndian.Uint64(b)))
	case bsonInt32:
		e.number = float64(int32(binary.LittleEndian.Uint32(b)))
	case bsonBool:
		e.number = float64(b[0])
	case bsonNull:
	case bsonDocument, bsonArray:
		e.members, rest, err = parseMembers(b, depth+1)
		return rest, err
	case bsonString, bsonBinary:
		return e.parseBytes(b)
	default:
		return nil, errBSON
	}
	return b[n:], nil
}

// parseBytes reads a string, or a binary with its subtype.
func (e *element) parseBytes(b []byte) (rest []byte, err error) {
	if len(b) < 5 {
		return nil, errBSON
	}
	size := int64(binary.LittleEndian.Uint32(b))
	b = b[4:]
	if e.kind == bsonBinary {
		e.subtype, b = b[0], b[1:]
	}
	if size > int64(len(b)) || (e.kind == bsonString && (size < 1 || b[size-1] != 0)) {
		return nil, errBSON
	}
	if e.kind == bsonBinary {
		e.data = b[:size]
	} else {
		e.text = string(b[:size-1])
	}
	return b[size:], nil
}

// streams counts the data streams that a message announces.
func (e element) streams() int {
	n := 0
	if e.kind == bsonDocument && e.member("id").kind == bsonBinary && e.member("length").kind == bsonInt64 {
		n++
	}
	for _, m := range e.members {
		n += m.streams()
	}
	return n
}

// with is the element with another one in the place of the member at a path, if that is there.
func (e element) with(member element, path ...string) element {
	if len(path) == 0 {
		member.name = e.name
		return member
	}
	e.members = slices.Clone(e.members)
	for i, m := range e.members {
		if m.name == path[0] {
			e.members[i] = m.with(member, path[1:]...)
		}
	}
	return e
}

// document writes an element with its members.
func (e element) document() []byte {
	b := make([]byte, 4)
	for _, m := range e.members {
		b = append(append(append(b, m.kind), m.name...), 0)
		b = m.value(b)
	}
	b = append(b, 0)
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	return b
}

func (e element) value(b []byte) []byte {
	switch e.kind {
	case bsonDouble:
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(e.number))
	case bsonDate, bsonInt64:
		return binary.LittleEndian.AppendUint64(b, uint64(int64(e.number)))
	case bsonInt32:
		return binary.LittleEndian.AppendUint32(b, uint32(int32(e.number)))
	case bsonBool:
		return append(b, byte(e.number))
	case bsonDocument, bsonArray:
		return append(b, e.document()...)
	case bsonString:
		return append(append(binary.LittleEndian.AppendUint32(b, uint32(len(e.text)+1)), e.text...), 0)
	case bsonBinary:
		return append(append(binary.LittleEndian.AppendUint32(b, uint32(len(e.data))), e.subtype), e.data...)
	}
	return b
}

func text(name, value string) element { return element{name: name, kind: bsonString, text: value} }

func long(name string, value int64) element {
	return element{name: name, kind: bsonInt64, number: float64(value)}
}

func folded(name string, members ...element) element {
	return element{name: name, kind: bsonDocument, members: members}
}

// statusRequest is the root of a GetStatus of a service, whose parameter has the type.
func statusRequest(service, typeName, ticket string, last int64) element {
	return folded("", folded("Message",
		text("$type", "Halibut.Transport.Protocol.RequestMessage, Halibut"),
		text("id", "poll"),
		text("service", service),
		text("method", "GetStatus"),
		element{name: "params", kind: bsonArray, members: []element{folded("0",
			text("$type", typeName),
			folded("Ticket", text("TaskId", ticket)),
			long("LastLogSequence", last),
		)}},
	))
}
