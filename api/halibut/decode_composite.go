package halibut

import (
	"encoding"
	"fmt"
	"reflect"
)

// composite decodes a list, a dictionary or an object.
func (d *decoder) composite(raw rawValue, v reflect.Value, depth int) error {
	switch {
	case v.Kind() == reflect.Slice && raw.kind == typeArray:
		return d.list(raw, v, depth)
	case v.Kind() == reflect.Map && raw.kind == typeDocument && v.Type().Key().Kind() == reflect.String:
		return d.dictionary(raw, v, depth)
	case v.Kind() == reflect.Struct && raw.kind == typeDocument:
		return d.structure(raw, v, depth)
	}
	return wrongType(raw, v)
}

func (d *decoder) list(raw rawValue, v reflect.Value, depth int) error {
	doc, err := readDocument(raw.data)
	if err != nil {
		return err
	}
	item := v.Type().Elem()
	list := reflect.New(v.Type()).Elem()
	list.Set(reflect.MakeSlice(v.Type(), 0, 0))
	for n := 0; ; n++ {
		_, value, ok, err := doc.step()
		if err != nil {
			return err
		}
		if !ok {
			v.Set(list)
			return nil
		}
		if err := d.spend(int(item.Size())); err != nil {
			return err
		}
		if n == list.Cap() { // twice as many, unless what is left suggests less
			list.Grow(min(n, len(doc.rest)/(len(value.data)+1)) + 1)
		}
		list.SetLen(n + 1)
		if err := d.item(value, list.Index(n), depth); err != nil {
			return fmt.Errorf("%d: %w", n, err)
		}
	}
}

// item decodes one of many values of a kind.
func (d *decoder) item(raw rawValue, v reflect.Value, depth int) error {
	if r, ok := v.Addr().Interface().(Record); ok && depth < maxDepth && d.fields.read(raw, r) {
		return nil
	}
	return d.value(raw, v, depth)
}

func (d *decoder) dictionary(raw rawValue, v reflect.Value, depth int) error {
	doc, err := readDocument(raw.data)
	if err != nil {
		return err
	}
	const mapOverhead = 16
	dictionary := reflect.MakeMap(v.Type())
	for {
		e, ok, err := doc.next()
		if err != nil {
			return err
		}
		if !ok {
			v.Set(dictionary)
			return nil
		}
		if err := d.spend(int(v.Type().Elem().Size()) + mapOverhead); err != nil {
			return err
		}
		item := reflect.New(v.Type().Elem()).Elem()
		if err := d.value(e.rawValue, item, depth); err != nil {
			return fmt.Errorf("%.60q: %w", e.name, err)
		}
		key, err := decodeKey(e.name, v.Type().Key())
		if err != nil {
			return err
		}
		dictionary.SetMapIndex(key, item)
	}
}

// decodeKey makes a key of a dictionary, by its encoding.TextUnmarshaler where its Go type has one.
func decodeKey(name string, t reflect.Type) (reflect.Value, error) {
	key := reflect.New(t)
	if names, ok := key.Interface().(encoding.TextUnmarshaler); ok {
		if err := names.UnmarshalText([]byte(name)); err != nil {
			return reflect.Value{}, err
		}
		return key.Elem(), nil
	}
	key.Elem().SetString(name)
	return key.Elem(), nil
}

// structure decodes an object. Unknown elements are stepped over and missing ones leave the zero value.
func (d *decoder) structure(raw rawValue, v reflect.Value, depth int) error {
	doc, err := readDocument(raw.data)
	if err != nil {
		return err
	}
	v.SetZero()
	for {
		e, ok, err := doc.next()
		if err != nil {
			return err
		}
		if !ok {
			return nil
		}
		field, ok := d.names.find(v, e.name)
		if !ok {
			continue
		}
		if err := d.value(e.rawValue, field, depth); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
	}
}
