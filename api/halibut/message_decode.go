package halibut

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strings"
)

// decodeRequest reads a request, its parameters as raw values.
func decodeRequest(d *decoder, data []byte) (request, error) {
	raw, err := openMessage(data, requestType)
	if err != nil {
		return request{}, err
	}
	var r request
	if err := d.value(raw, reflect.ValueOf(&r).Elem(), 0); err != nil {
		return request{}, err
	}
	if r.Activity.kind != 0 && !r.Activity.isNull() {
		if _, err := decodeGUID(r.Activity); err != nil {
			return request{}, fmt.Errorf("activityId: %w", err)
		}
	}
	if r.Endpoint != nil {
		if r.Endpoint.BaseURI == nil {
			return request{}, errors.New("endpoint has no BaseUri")
		}
		if u, err := url.Parse(*r.Endpoint.BaseURI); err != nil || !u.IsAbs() {
			return request{}, fmt.Errorf("endpoint's BaseUri %.100q is not a URI", *r.Endpoint.BaseURI)
		}
	}
	return r, nil
}

// decodeParams reads the parameters for a method. It fails with errMismatch where the reference would say
// that no method fits, with other errors where it would close the connection.
func decodeParams(d *decoder, params []rawValue, types []reflect.Type) ([]reflect.Value, error) {
	if len(params) != len(types) {
		return nil, errMismatch
	}
	values := make([]reflect.Value, len(types))
	for i, t := range types {
		values[i] = reflect.New(t).Elem()
		if err := d.param(params[i], values[i]); err != nil {
			return nil, fmt.Errorf("parameter %d: %w", i+1, err)
		}
	}
	return values, nil
}

func (d *decoder) param(raw rawValue, v reflect.Value) error {
	if raw.isNull() {
		return nil
	}
	if isScalar(v.Type()) {
		if fits := raw.kind != typeDocument && raw.kind != typeArray && (raw.kind == typeString) == writtenAsText(v); !fits {
			return errMismatch
		}
		if err := d.value(raw, v, 0); err != nil {
			return fmt.Errorf("%w: %w", errMismatch, err)
		}
		return nil
	}
	name, ok, err := typeOf(raw)
	if err != nil {
		return err
	}
	if !ok {
		return errMismatch
	}
	if !knownType(v.Type(), func(known string) bool { return known == name }) {
		return fmt.Errorf("$type %.100q is not the method's", name)
	}
	return d.value(raw, v, 0)
}

func writtenAsText(v reflect.Value) bool {
	return v.Kind() == reflect.String || v.Type() == timeSpanType
}

// knownType tells whether one of a type's names passes.
func knownType(t reflect.Type, pass func(string) bool) bool {
	if t == dataStreamPointer {
		return pass(dataStreamType)
	}
	zero := reflect.Zero(t)
	if t.Kind() == reflect.Pointer {
		zero = reflect.Zero(t.Elem())
	}
	typed, ok := zero.Interface().(Typed)
	if !ok {
		return false
	}
	if pass(typed.HalibutType()) {
		return true
	}
	if aliased, ok := typed.(Aliased); ok {
		for _, name := range aliased.HalibutAliases() {
			if pass(name) {
				return true
			}
		}
	}
	return false
}

// lastName is the class without namespace and assembly, by which a client recognises results.
func lastName(typeName string) string {
	name, _, _ := strings.Cut(typeName, ",")
	return name[strings.LastIndexAny(name, ".+")+1:]
}

// decodeResponse reads a response. result is where the result goes, as in Call, or nil.
func decodeResponse(d *decoder, data []byte, result any) error {
	raw, err := openMessage(data, responseType)
	if err != nil {
		return err
	}
	var r response
	if err := d.value(raw, reflect.ValueOf(&r).Elem(), 0); err != nil {
		return err
	}
	if r.Error != nil {
		if err := d.scan(r.Result, 0); err != nil {
			return err
		}
		return r.Error.asError()
	}
	if result == nil {
		return d.scan(r.Result, 0)
	}
	target := reflect.ValueOf(result)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return fmt.Errorf("Call.Result is %T, not a pointer", result)
	}
	if err := d.result(r.Result, target.Elem()); err != nil {
		return fmt.Errorf("result: %w", err)
	}
	return nil
}

func (m *messageError) asError() *ServerError {
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	e := &ServerError{Message: text(m.Message), Details: text(m.Details), HalibutErrorType: text(m.HalibutErrorType)}
	e.Kind = classify(e.Message, e.Details, e.HalibutErrorType)
	return e
}

func (d *decoder) result(raw rawValue, v reflect.Value) error {
	t := v.Type()
	null := raw.kind == 0 || raw.isNull()
	switch {
	case isScalar(t):
		if null {
			v.SetZero()
			return nil
		}
		return d.value(raw, v, 0)
	case null && t.Kind() == reflect.Pointer:
		v.SetZero()
		return nil
	case null:
		return fmt.Errorf("null where a %s belongs", t)
	}
	name, ok, err := typeOf(raw)
	if err != nil {
		return err
	}
	if !ok || !knownType(t, func(known string) bool { return lastName(known) == lastName(name) }) {
		return fmt.Errorf("$type %.100q where a %s belongs", name, t)
	}
	return d.value(raw, v, 0)
}

// scan finds the data streams in a value that nobody will decode, so that their frames can be read. One is
// known by its members, as it has a $type only where it stands by itself.
func (d *decoder) scan(raw rawValue, depth int) error {
	if raw.kind != typeDocument && raw.kind != typeArray {
		return nil
	}
	if depth >= maxDepth {
		return errors.New("BSON is nested too deep")
	}
	children, stream, err := survey(raw)
	if err != nil {
		return err
	}
	if stream {
		return d.value(raw, reflect.New(dataStreamPointer).Elem(), 0)
	}
	for _, child := range children {
		if err := d.scan(child, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// survey returns the documents and arrays in one, and whether it stands for a data stream.
func survey(raw rawValue) (children []rawValue, stream bool, err error) {
	doc, err := readDocument(raw.data)
	if err != nil {
		return nil, false, err
	}
	hasID, hasLength := false, false
	for {
		e, ok, err := doc.next()
		if err != nil {
			return nil, false, err
		}
		if !ok {
			return children, raw.kind == typeDocument && hasID && hasLength, nil
		}
		switch {
		case e.kind == typeDocument || e.kind == typeArray:
			children = append(children, e.rawValue)
		case e.name == "id":
			_, bad := decodeGUID(e.rawValue)
			hasID = bad == nil
		case e.name == "length":
			_, bad := integer(e.rawValue)
			hasLength = bad == nil
		}
	}
}
