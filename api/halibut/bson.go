package halibut

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// The element types of BSON (bsonspec.org, version 1.1) that are read or at least stepped over.
const (
	typeDouble    byte = 0x01
	typeString    byte = 0x02
	typeDocument  byte = 0x03
	typeArray     byte = 0x04
	typeBinary    byte = 0x05
	typeUndefined byte = 0x06
	typeObjectID  byte = 0x07
	typeBool      byte = 0x08
	typeDate      byte = 0x09
	typeNull      byte = 0x0a
	typeRegex     byte = 0x0b
	typePointer   byte = 0x0c
	typeCode      byte = 0x0d
	typeSymbol    byte = 0x0e
	typeCodeScope byte = 0x0f
	typeInt32     byte = 0x10
	typeTimestamp byte = 0x11
	typeInt64     byte = 0x12
	typeDecimal   byte = 0x13
)

const (
	subtypeBytes byte = 0x00
	subtypeUUID  byte = 0x04

	// emptyDocument is the size of a document without elements: its length and the final zero.
	emptyDocument = 5
	// maxDepth is how deep documents nest, in messages read and written; the reference has the same limit.
	maxDepth = 64
)

var (
	errTruncated = errors.New("BSON ends within a value")
	errDocument  = errors.New("BSON document has a wrong length")
)

// rawValue is the type and the bytes of a BSON value, whose extent has been checked but not what is within.
type rawValue struct {
	kind byte
	data []byte
}

func (v rawValue) isNull() bool { return v.kind == typeNull || v.kind == typeUndefined }

// element is a rawValue with its name.
type element struct {
	name string
	rawValue
}

// documentReader steps through the elements of a document.
type documentReader struct{ rest []byte }

// readDocument checks the length and the end of a whole document.
func readDocument(data []byte) (documentReader, error) {
	if len(data) < emptyDocument || int64(binary.LittleEndian.Uint32(data)) != int64(len(data)) || data[len(data)-1] != 0 {
		return documentReader{}, errDocument
	}
	return documentReader{rest: data[4 : len(data)-1]}, nil
}

// next returns the next element; ok is false after the last one.
func (d *documentReader) next() (e element, ok bool, err error) {
	name, value, ok, err := d.step()
	return element{name: string(name), rawValue: value}, ok, err
}

// step is next that does not copy the name.
func (d *documentReader) step() (name []byte, value rawValue, ok bool, err error) {
	if len(d.rest) == 0 {
		return nil, rawValue{}, false, nil
	}
	kind := d.rest[0]
	end := bytes.IndexByte(d.rest[1:], 0)
	if end < 0 {
		return nil, rawValue{}, false, errTruncated
	}
	name, rest := d.rest[1:1+end], d.rest[2+end:]
	size, err := valueSize(kind, rest)
	if err == nil && size > len(rest) {
		err = errTruncated
	}
	if err != nil {
		return nil, rawValue{}, false, fmt.Errorf("element %.60q: %w", name, err)
	}
	d.rest = rest[size:]
	return name, rawValue{kind: kind, data: rest[:size]}, true, nil
}

// valueSize returns how many of the bytes at the beginning of rest a value of a type takes. It may be more
// than there are.
func valueSize(kind byte, rest []byte) (int, error) {
	if kind == typeRegex {
		return regexSize(rest)
	}
	size, err := sizeOf(kind, rest, int64(len(rest)))
	return int(size), err
}

// prefixOf returns how many bytes at the beginning of a value tell its size.
func prefixOf(kind byte) int64 {
	switch kind {
	case typeString, typeCode, typeSymbol, typeBinary, typePointer, typeDocument, typeArray, typeCodeScope:
		return 4
	default:
		return 0
	}
}

// sizeOf returns the size of a value of any type but a regular expression, of which head is the beginning and left the most
// that it can take.
func sizeOf(kind byte, head []byte, left int64) (int64, error) {
	switch kind {
	case typeUndefined, typeNull:
		return 0, nil
	case typeBool:
		return 1, nil
	case typeInt32:
		return 4, nil
	case typeDouble, typeDate, typeTimestamp, typeInt64:
		return 8, nil
	case typeObjectID:
		return 12, nil
	case typeDecimal:
		return 16, nil
	case typeString, typeCode, typeSymbol:
		return prefixedSize(head, left, 4, 1)
	case typeBinary:
		return prefixedSize(head, left, 5, 0)
	case typePointer:
		return prefixedSize(head, left, 16, 1)
	case typeDocument, typeArray:
		return prefixedSize(head, left, 0, emptyDocument)
	case typeCodeScope:
		return prefixedSize(head, left, 0, 14)
	}
	return 0, fmt.Errorf("unknown BSON type %#02x", kind)
}

// prefixedSize reads an int32 that counts the bytes after the first extra ones.
func prefixedSize(head []byte, left, extra, least int64) (int64, error) {
	if len(head) < 4 {
		return 0, errTruncated
	}
	n := int64(int32(binary.LittleEndian.Uint32(head)))
	if n < least || n > left-extra {
		return 0, errTruncated
	}
	return n + extra, nil
}

func regexSize(rest []byte) (int, error) {
	pattern := bytes.IndexByte(rest, 0)
	if pattern < 0 {
		return 0, errTruncated
	}
	options := bytes.IndexByte(rest[pattern+1:], 0)
	if options < 0 {
		return 0, errTruncated
	}
	return pattern + options + 2, nil
}

// text returns the value of a string. What is not UTF-8 becomes the replacement character, as in .NET.
func (v rawValue) text() (string, error) {
	if v.kind != typeString {
		return "", fmt.Errorf("BSON type %#02x where a string belongs", v.kind)
	}
	content := v.data[4:]
	if content[len(content)-1] != 0 {
		return "", errors.New("BSON string without its final zero")
	}
	return validText(string(content[:len(content)-1])), nil
}
