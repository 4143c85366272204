package halibut

import (
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

const (
	// memoryFactor and memoryBase bound what decoded values take in memory, by the size of their message: a
	// null in a list takes four bytes on the wire, and a whole struct in memory.
	memoryFactor = 8
	memoryBase   = 64 << 10
	// maxStreams is how many data streams one message may bring.
	maxStreams = 10_000
)

var errOverBudget = errors.New("message takes too much memory for its size")

// decoder fills Go values from BSON as tolerantly as the reference does (halibut.md section 3.4), and
// collects the data streams whose frames follow.
type decoder struct {
	streams []*DataStream
	budget  int64
	names   fieldNames
	fields  Fields
	// counted is how much of the budget is taken care of, and more asks for the rest; nil asks nobody.
	counted int64
	more    func(n int64) bool
}

func newDecoder(size int) *decoder {
	return &decoder{budget: memoryFactor*int64(size) + memoryBase, counted: int64(size) + memoryBase}
}

func (d *decoder) spend(n int) error {
	if d.budget -= int64(n); d.budget < 0 {
		return errOverBudget
	}
	if d.counted -= int64(n); d.counted < 0 && d.more != nil {
		part := max(-d.counted, memoryBase)
		if !d.more(part) {
			return errNoMemory
		}
		d.counted += part
	}
	return nil
}

// value decodes raw into v, which can be set.
func (d *decoder) value(raw rawValue, v reflect.Value, depth int) error {
	if depth >= maxDepth {
		return errors.New("BSON is nested too deep")
	}
	if v.Type() == rawType {
		v.Set(reflect.ValueOf(raw))
		return nil
	}
	if raw.isNull() {
		v.SetZero()
		return nil
	}
	if v.Type() == dataStreamPointer {
		return d.stream(raw, v)
	}
	if v.Kind() == reflect.Pointer {
		if err := d.spend(int(v.Type().Elem().Size())); err != nil {
			return err
		}
		target := reflect.New(v.Type().Elem())
		if err := d.value(raw, target.Elem(), depth+1); err != nil {
			return err
		}
		v.Set(target)
		return nil
	}
	if handled, err := decodeSpecial(raw, v); handled {
		return err
	}
	if isScalar(v.Type()) {
		return decodeScalar(raw, v)
	}
	return d.composite(raw, v, depth+1)
}

// stream decodes what stands for a data stream in a message.
func (d *decoder) stream(raw rawValue, v reflect.Value) error {
	var reference struct {
		ID     GUID  `bson:"id"`
		Length int64 `bson:"length"`
	}
	if err := d.value(raw, reflect.ValueOf(&reference).Elem(), 0); err != nil {
		return fmt.Errorf("data stream: %w", err)
	}
	if reference.Length < 0 {
		return fmt.Errorf("data stream has length %d", reference.Length)
	}
	if len(d.streams) >= maxStreams {
		return fmt.Errorf("message has more than %d data streams", maxStreams)
	}
	if err := d.spend(int(dataStreamPointer.Elem().Size())); err != nil {
		return err
	}
	stream := &DataStream{id: reference.ID, length: reference.Length}
	d.streams = append(d.streams, stream)
	v.Set(reflect.ValueOf(stream))
	return nil
}

// decodeSpecial decodes the types that are not what their kind says.
func decodeSpecial(raw rawValue, v reflect.Value) (handled bool, err error) {
	switch target := v.Addr().Interface().(type) {
	case *GUID:
		*target, err = decodeGUID(raw)
	case *TimeSpan:
		var s string
		if s, err = raw.text(); err == nil {
			*target, err = ParseTimeSpan(s)
		}
	case *time.Time:
		*target, err = decodeTime(raw)
	case *[]byte:
		if raw.kind != typeBinary {
			return true, wrongType(raw, v)
		}
		*target = append([]byte{}, raw.data[5:]...)
	default:
		return false, nil
	}
	return true, err
}

func decodeGUID(raw rawValue) (GUID, error) {
	if raw.kind == typeBinary && len(raw.data) == 5+len(GUID{}) {
		return GUID(raw.data[5:]).net(), nil
	}
	s, err := raw.text()
	if err != nil {
		return GUID{}, fmt.Errorf("GUID: %w", err)
	}
	return ParseGUID(s)
}

func decodeTime(raw rawValue) (time.Time, error) {
	if raw.kind == typeDate || raw.kind == typeInt64 {
		ms := int64(binary.LittleEndian.Uint64(raw.data))
		return time.UnixMilli(ms).UTC(), nil
	}
	s, err := raw.text()
	if err != nil {
		return time.Time{}, fmt.Errorf("date: %w", err)
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("date %.60q is not of the form 2006-01-02T15:04:05Z", s)
}

func wrongType(raw rawValue, v reflect.Value) error {
	return fmt.Errorf("BSON type %#02x where %s belongs", raw.kind, v.Type())
}

func decodeScalar(raw rawValue, v reflect.Value) error {
	switch v.Kind() {
	case reflect.String:
		s, err := raw.text()
		v.SetString(s)
		return err
	case reflect.Bool:
		if raw.kind != typeBool {
			return wrongType(raw, v)
		}
		v.SetBool(raw.data[0] != 0)
		return nil
	case reflect.Float32, reflect.Float64:
		return decodeFloat(raw, v)
	default:
		return decodeInteger(raw, v)
	}
}

func decodeFloat(raw rawValue, v reflect.Value) error {
	if raw.kind == typeDouble {
		v.SetFloat(math.Float64frombits(binary.LittleEndian.Uint64(raw.data)))
		return nil
	}
	n, err := integer(raw)
	v.SetFloat(float64(n))
	return err
}

// decodeInteger takes every form of a number, and the name of an enumeration's value where its Go type
// implements encoding.TextUnmarshaler.
func decodeInteger(raw rawValue, v reflect.Value) error { //nolint:cyclop // one case for each way in which .NET writes a number
	n, err := integer(raw)
	if err != nil {
		names, ok := v.Addr().Interface().(encoding.TextUnmarshaler)
		if !ok || raw.kind != typeString {
			return err
		}
		s, err := raw.text()
		if err != nil {
			return err
		}
		return names.UnmarshalText([]byte(s))
	}
	switch {
	case v.CanInt() && !v.OverflowInt(n):
		v.SetInt(n)
	case v.CanUint() && n >= 0 && !v.OverflowUint(uint64(n)):
		v.SetUint(uint64(n))
	case v.CanInt() || v.CanUint():
		return fmt.Errorf("number %d does not fit %s", n, v.Type())
	default:
		return wrongType(raw, v)
	}
	return nil
}

func integer(raw rawValue) (int64, error) {
	switch raw.kind {
	case typeInt32:
		return int64(int32(binary.LittleEndian.Uint32(raw.data))), nil
	case typeInt64:
		return int64(binary.LittleEndian.Uint64(raw.data)), nil
	case typeDouble:
		f := math.Float64frombits(binary.LittleEndian.Uint64(raw.data))
		if f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			return 0, fmt.Errorf("number %g is not a whole number", f)
		}
		return int64(f), nil
	case typeString:
		s, err := raw.text()
		if err != nil {
			return 0, err
		}
		n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%.60q is not a number", s)
		}
		return n, nil
	}
	return 0, fmt.Errorf("BSON type %#02x where a number belongs", raw.kind)
}
