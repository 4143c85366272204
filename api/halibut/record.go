package halibut

import (
	"encoding/binary"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Record is a pointer to a struct that names its fields itself, so that many of it are written and read fast. It calls f with all
// that are on the wire, in their order, by the names that they have there anyway.
type Record interface {
	HalibutFields(f *Fields)
}

// Fields writes a Record, or reads it.
type Fields struct {
	// out is what is written.
	out []byte
	// rest is what is still to be read, if reading, and odd says that it is not as we would write it.
	rest    []byte
	reading bool
	odd     bool
}

// Int32 is a field with a number.
func (f *Fields) Int32(name string, v *int32) {
	switch {
	case !f.reading:
		f.key(typeInt32, name)
		f.out = binary.LittleEndian.AppendUint32(f.out, uint32(*v)) // #nosec G115 -- read back the same way
	case f.next(typeInt32, name, 4):
		*v = int32(binary.LittleEndian.Uint32(f.take(4))) // #nosec G115 -- as written
	}
}

// Time is a field with a time, in milliseconds.
func (f *Fields) Time(name string, v *time.Time) {
	switch {
	case !f.reading:
		f.key(typeDate, name)
		f.out = binary.LittleEndian.AppendUint64(f.out, uint64(v.UnixMilli())) // #nosec G115 -- read back the same way
	case f.next(typeDate, name, 8):
		*v = time.UnixMilli(int64(binary.LittleEndian.Uint64(f.take(8)))).UTC() // #nosec G115 -- as written
	}
}

// Text is a field with a text.
func (f *Fields) Text(name string, v *string) {
	if !f.reading {
		f.key(typeString, name)
		f.out = appendText(f.out, *v)
		return
	}
	if !f.next(typeString, name, 4) {
		return
	}
	size := int64(binary.LittleEndian.Uint32(f.take(4)))
	if f.odd = size < 1 || size > int64(len(f.rest)); f.odd {
		return
	}
	text := f.take(int(size))
	last := len(text) - 1
	if f.odd = text[last] != 0 || !utf8.Valid(text[:last]); !f.odd {
		*v = string(text[:last])
	}
}

func (f *Fields) key(kind byte, name string) {
	f.out = append(f.out, kind)
	f.out = append(f.out, name...)
	f.out = append(f.out, 0)
}

// next steps over the type and the name of a field that has size bytes at least, if it is the one that comes.
func (f *Fields) next(kind byte, name string, size int) bool {
	at := 1 + len(name)
	if f.odd = f.odd || len(f.rest) < at+1+size || f.rest[0] != kind || string(f.rest[1:at]) != name || f.rest[at] != 0; f.odd {
		return false
	}
	f.rest = f.rest[at+1:]
	return true
}

func (f *Fields) take(n int) []byte {
	taken := f.rest[:n]
	f.rest = f.rest[n:]
	return taken
}

// write appends an element of a list.
func (f *Fields) write(index int, r Record) {
	f.out = append(f.out, typeDocument)
	f.out = strconv.AppendInt(f.out, int64(index), 10)
	f.out = append(f.out, 0)
	start := len(f.out)
	f.out = append(f.out, 0, 0, 0, 0)
	r.HalibutFields(f)
	f.out = append(f.out, 0)
	binary.LittleEndian.PutUint32(f.out[start:], uint32(len(f.out)-start)) // #nosec G115 -- bounded by maxEncoded
}

// read reads a document as write writes it. What is otherwise it leaves to those who read anything, and r may have parts of it.
func (f *Fields) read(raw rawValue, r Record) bool {
	if raw.kind != typeDocument {
		return false
	}
	doc, err := readDocument(raw.data)
	if err != nil {
		return false
	}
	f.reading, f.odd, f.rest = true, false, doc.rest
	r.HalibutFields(f)
	return !f.odd && len(f.rest) == 0
}

// appendText appends a text as BSON has it. What is not UTF-8 becomes the replacement character.
func appendText(out []byte, text string) []byte {
	text = validText(text)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(text)+1)) // #nosec G115 -- bounded by maxEncoded
	out = append(out, text...)
	return append(out, 0)
}

func validText(text string) string {
	if utf8.ValidString(text) { // the usual case, and much faster
		return text
	}
	return strings.ToValidUTF8(text, string(utf8.RuneError))
}
