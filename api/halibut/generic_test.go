package halibut

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"testing"
	"time"
)

// member is an element of a generic document: its value is a []member, a list, a string, a bool, nil, an
// int32, an int64, a float64, a GUID or a date.
type member struct {
	Name  string
	Value any
}

type list []any

type date int64

// nulls is an array of so many nulls with the shortest keys that BSON allows.
type nulls int

// parse reads a BSON document into generic values, with every type as it was.
func parse(t testing.TB, data []byte) []member {
	t.Helper()
	members, err := parseDocument(data)
	if err != nil {
		t.Fatal(err)
	}
	return members
}

func parseDocument(data []byte) ([]member, error) {
	doc, err := readDocument(data)
	if err != nil {
		return nil, err
	}
	members := []member{}
	for {
		e, ok, err := doc.next()
		if err != nil {
			return nil, err
		}
		if !ok {
			return members, nil
		}
		value, err := parseValue(e.rawValue)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
		members = append(members, member{e.name, value})
	}
}

func parseValue(raw rawValue) (any, error) {
	switch raw.kind {
	case typeDocument:
		return parseDocument(raw.data)
	case typeArray:
		members, err := parseDocument(raw.data)
		items := make(list, len(members))
		for i, m := range members {
			items[i] = m.Value
		}
		return items, err
	case typeString:
		return raw.text()
	case typeBool:
		return raw.data[0] == 1, nil
	case typeNull:
		return nil, nil
	case typeInt32:
		return int32(binary.LittleEndian.Uint32(raw.data)), nil
	case typeInt64:
		return int64(binary.LittleEndian.Uint64(raw.data)), nil
	case typeDouble:
		return math.Float64frombits(binary.LittleEndian.Uint64(raw.data)), nil
	case typeDate:
		return date(binary.LittleEndian.Uint64(raw.data)), nil
	case typeBinary:
		return decodeGUID(raw)
	}
	return nil, fmt.Errorf("unexpected BSON type %#x", raw.kind)
}

// compose writes generic values as BSON, with the package's encoder.
func compose(members []member) []byte {
	e := &encoder{}
	e.end(composeInto(e, members))
	return e.out
}

func composeInto(e *encoder, members []member) int {
	start := e.begin()
	for _, m := range members {
		switch v := m.Value.(type) {
		case []member:
			e.key(typeDocument, m.Name)
			e.end(composeInto(e, v))
		case list:
			items := make([]member, len(v))
			for i, item := range v {
				items[i] = member{strconv.Itoa(i), item}
			}
			e.key(typeArray, m.Name)
			e.end(composeInto(e, items))
		case nulls:
			e.key(typeArray, m.Name)
			start := e.begin()
			e.out = append(e.out, bytes.Repeat([]byte{typeNull, 0}, int(v))...)
			e.end(start)
		case date:
			e.key(typeDate, m.Name)
			e.out = binary.LittleEndian.AppendUint64(e.out, uint64(v))
		default:
			if err := e.object(m.Name, v); err != nil {
				panic(err)
			}
		}
	}
	return start
}

// render puts generic values into the form of "decoded" in the recordings.
func render(value any) any {
	switch v := value.(type) {
	case []member:
		out := make([]member, len(v))
		for i, m := range v {
			out[i] = member{m.Name, render(m.Value)}
		}
		return out
	case list:
		out := make(list, len(v))
		for i := range v {
			out[i] = render(v[i])
		}
		return out
	case int32:
		return json.Number(strconv.Itoa(int(v)))
	case int64:
		return []member{{"$long", json.Number(strconv.FormatInt(v, 10))}}
	case float64:
		return []member{{"$double", json.Number(strconv.FormatFloat(v, 'g', -1, 64))}}
	case GUID:
		return []member{{"$guid", v.String()}}
	case date:
		return []member{{"$date", time.UnixMilli(int64(v)).UTC().Format("2006-01-02T15:04:05.000Z")}}
	}
	return value
}

// ordered reads JSON with the order of its members.
func ordered(t testing.TB, data []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	value, err := orderedValue(d)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func orderedValue(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		members := []member{}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			value, err := orderedValue(d)
			if err != nil {
				return nil, err
			}
			members = append(members, member{fmt.Sprint(name), value})
		}
		_, err := d.Token()
		return members, err
	case json.Delim('['):
		items := list{}
		for d.More() {
			value, err := orderedValue(d)
			if err != nil {
				return nil, err
			}
			items = append(items, value)
		}
		_, err := d.Token()
		return items, err
	}
	return token, nil
}

// at returns the value of a member, or nil.
func at(value any, name string) any {
	members, _ := value.([]member)
	for _, m := range members {
		if m.Name == name {
			return m.Value
		}
	}
	return nil
}

// clone copies a value without the members for which drop holds.
func clone(value any, drop func(name string) bool) any {
	switch v := value.(type) {
	case []member:
		out := []member{}
		for _, m := range v {
			if !drop(m.Name) {
				out = append(out, member{m.Name, clone(m.Value, drop)})
			}
		}
		return out
	case list:
		out := make(list, len(v))
		for i := range v {
			out[i] = clone(v[i], drop)
		}
		return out
	}
	return value
}
