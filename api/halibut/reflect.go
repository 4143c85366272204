package halibut

import (
	"reflect"
	"strings"
	"time"
)

// The types that are not written as their kind says.
var (
	dataStreamPointer = reflect.TypeFor[*DataStream]()
	guidType          = reflect.TypeFor[GUID]()
	timeSpanType      = reflect.TypeFor[TimeSpan]()
	timeType          = reflect.TypeFor[time.Time]()
	rawType           = reflect.TypeFor[rawValue]()
)

// isScalar tells whether values of a type stand bare in a slot declared as object.
func isScalar(t reflect.Type) bool {
	switch t {
	case guidType, timeSpanType, timeType:
		return true
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map, reflect.Slice, reflect.Array, reflect.Interface, reflect.Pointer:
		return false
	default:
		return true
	}
}

// field is the place of a field in its struct, and its name on the wire.
type field struct {
	index int
	name  string
}

// fieldNames remembers the fields of the types that one message has. The zero value is ready.
type fieldNames map[reflect.Type][]field

func (n *fieldNames) of(t reflect.Type) []field {
	if fields, ok := (*n)[t]; ok {
		return fields
	}
	if *n == nil {
		*n = fieldNames{}
	}
	var fields []field
	for i := range t.NumField() {
		if name, ok := fieldName(t.Field(i)); ok {
			fields = append(fields, field{index: i, name: name})
		}
	}
	(*n)[t] = fields
	return fields
}

// find returns the field for a name on the wire: exactly, else in any case.
func (n *fieldNames) find(v reflect.Value, name string) (reflect.Value, bool) {
	fields := n.of(v.Type())
	for _, f := range fields {
		if f.name == name {
			return v.Field(f.index), true
		}
	}
	for _, f := range fields {
		if strings.EqualFold(f.name, name) {
			return v.Field(f.index), true
		}
	}
	return reflect.Value{}, false
}

// fieldName is the name on the wire of a field: its bson tag, or its own.
func fieldName(f reflect.StructField) (string, bool) {
	if !f.IsExported() {
		return "", false
	}
	tag, _, _ := strings.Cut(f.Tag.Get("bson"), ",")
	switch tag {
	case "-":
		return "", false
	case "":
		return f.Name, true
	}
	return tag, true
}
