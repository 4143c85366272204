package halibut

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxEncoded bounds a message that is written, before compression.
const maxEncoded = 256 << 20

// encoder appends BSON, and collects the data streams that it meets, in the order in which their frames
// follow the message.
type encoder struct {
	out     []byte
	streams []*DataStream
	names   fieldNames
	// later is a list that is not in out.
	later *pending
}

// begin starts a document and returns where, for end.
func (e *encoder) begin() int {
	e.out = append(e.out, 0, 0, 0, 0)
	return len(e.out) - 4
}

func (e *encoder) end(start int) {
	e.out = append(e.out, 0)
	size := int64(len(e.out) - start)
	if e.later != nil && e.later.at > start {
		size += e.later.size
	}
	binary.LittleEndian.PutUint32(e.out[start:], uint32(size)) // #nosec G115 -- bounded by maxEncoded
}

// key starts an element.
func (e *encoder) key(kind byte, name string) {
	e.out = append(e.out, kind)
	e.out = append(e.out, name...)
	e.out = append(e.out, 0)
}

func (e *encoder) null(name string) { e.key(typeNull, name) }

func (e *encoder) text(name, value string) {
	e.key(typeString, name)
	e.out = appendText(e.out, value)
}

func (e *encoder) binary(name string, subtype byte, data []byte) {
	e.key(typeBinary, name)
	e.out = binary.LittleEndian.AppendUint32(e.out, uint32(len(data)))
	e.out = append(e.out, subtype)
	e.out = append(e.out, data...)
}

func (e *encoder) guid(name string, g GUID) {
	n := g.net()
	e.binary(name, subtypeUUID, n[:])
}

func (e *encoder) int32(name string, v int32) {
	e.key(typeInt32, name)
	e.out = binary.LittleEndian.AppendUint32(e.out, uint32(v))
}

func (e *encoder) int64(name string, v int64) {
	e.key(typeInt64, name)
	e.out = binary.LittleEndian.AppendUint64(e.out, uint64(v))
}

// object writes a value into a slot that the contract declares as object: a parameter or a result. Objects
// get their $type first there.
func (e *encoder) object(name string, value any) error {
	v := reflect.ValueOf(value)
	for v.IsValid() && v.Kind() == reflect.Pointer && v.Type() != dataStreamPointer {
		v = v.Elem()
	}
	if !v.IsValid() {
		e.null(name)
		return nil
	}
	if v.Type() == dataStreamPointer {
		e.stream(name, v.Interface().(*DataStream), true)
		return nil
	}
	if typed, ok := v.Interface().(Typed); ok {
		return e.typed(name, v, typed.HalibutType())
	}
	if isScalar(v.Type()) {
		return e.value(name, v, 0)
	}
	return fmt.Errorf("%s has no HalibutType", v.Type())
}

func (e *encoder) typed(name string, v reflect.Value, typeName string) error {
	if v.Kind() != reflect.Struct {
		return fmt.Errorf("%s has a HalibutType but is no struct", v.Type())
	}
	e.key(typeDocument, name)
	start := e.begin()
	e.text(typeElement, typeName)
	if err := e.fields(v, 0); err != nil {
		return err
	}
	e.end(start)
	return nil
}

// stream writes what stands for a data stream in the message, and notes it.
func (e *encoder) stream(name string, d *DataStream, tagged bool) {
	if d == nil {
		e.null(name)
		return
	}
	e.key(typeDocument, name)
	start := e.begin()
	if tagged {
		e.text("$type", dataStreamType)
	}
	e.guid("id", d.id)
	e.int64("length", d.length)
	e.end(start)
	e.streams = append(e.streams, d)
}

// value writes a value into a slot whose type the contract declares (halibut.md section 3.4).
func (e *encoder) value(name string, v reflect.Value, depth int) error {
	switch v.Type() {
	case dataStreamPointer:
		e.stream(name, v.Interface().(*DataStream), false)
		return nil
	case guidType:
		e.guid(name, v.Interface().(GUID))
		return nil
	case timeSpanType:
		e.text(name, TimeSpan(v.Int()).String())
		return nil
	case timeType:
		e.key(typeDate, name)
		ms := v.Interface().(time.Time).UnixMilli()
		e.out = binary.LittleEndian.AppendUint64(e.out, uint64(ms))
		return nil
	case sequenceType:
		return e.sequence(name, v.Interface().(Sequence))
	}
	if depth >= maxDepth {
		return errors.New("value is nested too deep")
	}
	if len(e.out) > maxEncoded {
		return fmt.Errorf("message exceeds %d bytes", maxEncoded)
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			e.null(name)
			return nil
		}
		return e.value(name, v.Elem(), depth+1)
	}
	if isScalar(v.Type()) {
		return e.scalar(name, v)
	}
	return e.composite(name, v, depth+1)
}

func (e *encoder) scalar(name string, v reflect.Value) error {
	switch v.Kind() {
	case reflect.String:
		e.text(name, v.String())
	case reflect.Bool:
		e.key(typeBool, name)
		flag := byte(0)
		if v.Bool() {
			flag = 1
		}
		e.out = append(e.out, flag)
	case reflect.Int8, reflect.Int16, reflect.Int32:
		e.int32(name, int32(v.Int()))
	case reflect.Uint8, reflect.Uint16:
		e.int32(name, int32(v.Uint()))
	case reflect.Int, reflect.Int64:
		e.int64(name, v.Int())
	case reflect.Uint32:
		e.int64(name, int64(v.Uint()))
	case reflect.Float32, reflect.Float64:
		e.key(typeDouble, name)
		e.out = binary.LittleEndian.AppendUint64(e.out, math.Float64bits(v.Float()))
	default:
		return fmt.Errorf("%s cannot be written", v.Type())
	}
	return nil
}

func (e *encoder) composite(name string, v reflect.Value, depth int) error {
	switch {
	case v.Kind() == reflect.Struct:
		e.key(typeDocument, name)
		start := e.begin()
		if err := e.fields(v, depth); err != nil {
			return err
		}
		e.end(start)
		return nil
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		e.binary(name, subtypeBytes, v.Bytes())
		return nil
	case v.Kind() == reflect.Slice:
		return e.list(name, v, depth)
	case v.Kind() == reflect.Map && v.Type().Key().Kind() == reflect.String:
		return e.dictionary(name, v, depth)
	}
	return fmt.Errorf("%s cannot be written", v.Type())
}

// list writes an array; nil is an empty one.
func (e *encoder) list(name string, v reflect.Value, depth int) error {
	e.key(typeArray, name)
	start := e.begin()
	for i := range v.Len() {
		if err := e.value(strconv.Itoa(i), v.Index(i), depth); err != nil {
			return fmt.Errorf("%d: %w", i, err)
		}
	}
	e.end(start)
	return nil
}

// dictionary writes a map with its keys in order; nil is an empty one.
func (e *encoder) dictionary(name string, v reflect.Value, depth int) error {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	e.key(typeDocument, name)
	start := e.begin()
	for _, k := range keys {
		if strings.IndexByte(k.String(), 0) >= 0 {
			return fmt.Errorf("key %.60q has a zero byte", k.String())
		}
		if err := e.value(k.String(), v.MapIndex(k), depth); err != nil {
			return fmt.Errorf("%.60q: %w", k.String(), err)
		}
	}
	e.end(start)
	return nil
}

// fields writes the exported fields of a struct in their order.
func (e *encoder) fields(v reflect.Value, depth int) error {
	for _, f := range e.names.of(v.Type()) {
		if err := e.value(f.name, v.Field(f.index), depth); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}
