package halibut

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestARecordIsWrittenAsAnyStruct writes a list of records, and the same list by reflection.
func TestARecordIsWrittenAsAnyStruct(t *testing.T) {
	all := append(numbered(1200), textLine{Text: "\xff\xfe"}, textLine{}, textLine{Text: strings.Repeat("ä", 1000)})
	var fast Fields
	for i := range all {
		fast.write(i, &all[i])
	}
	var slow encoder
	if err := slow.value("", reflect.ValueOf(all), 0); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(slow.out[2+4:len(slow.out)-1], fast.out); diff != "" {
		t.Errorf("-reflection +record:\n%.2000s", diff)
	}
	if size := made(all).size(); size != int64(len(fast.out)) {
		t.Errorf("size %d, written %d", size, len(fast.out))
	}
}

// TestARecordIsReadAsAnyStruct reads what others may write, as a record and as a struct that is none.
func TestARecordIsReadAsAnyStruct(t *testing.T) {
	type plain textLine
	at := time.UnixMilli(1234).UTC()
	for name, item := range map[string]any{
		"as we do": textLine{at, "text"},
		"another order": struct {
			Text string
			At   time.Time
		}{"text", at},
		"another case": struct {
			AT   time.Time
			TEXT string
		}{at, "text"},
		"one more": struct {
			At         time.Time
			Text, More string
		}{at, "text", "more"},
		"one less":       struct{ At time.Time }{at},
		"none":           struct{}{},
		"a date as text": struct{ At, Text string }{"1970-01-01T00:00:01.234Z", "text"},
		"a null": struct {
			At   time.Time
			Text *string
		}{at, nil},
		"a null item": (*textLine)(nil),
		"another kind": struct {
			At   time.Time
			Text int32
		}{at, 7},
		"no object":       "text",
		"not UTF-8, long": textLine{at, strings.Repeat("\xff", 100)},
	} {
		var e encoder
		list := reflect.Append(reflect.MakeSlice(reflect.SliceOf(reflect.TypeOf(item)), 0, 2), reflect.ValueOf(item), reflect.ValueOf(item))
		if err := e.value("", list, 0); err != nil {
			t.Fatal(err)
		}
		document := []byte(strings.ReplaceAll(string(e.out[2:]), "\ufffd", "\xff\xff\xff")) // as long, and not UTF-8
		raw := rawValue{typeArray, document}
		var want []plain
		var got []textLine
		wanted := newDecoder(len(document)).value(raw, reflect.ValueOf(&want).Elem(), 0)
		err := newDecoder(len(document)).value(raw, reflect.ValueOf(&got).Elem(), 0)
		if (wanted == nil) != (err == nil) {
			t.Errorf("%s: %v, as a record %v", name, wanted, err)
		}
		for i := range want {
			if len(got) != len(want) || got[i] != textLine(want[i]) {
				t.Fatalf("%s: %v, as a record %v", name, want, got)
			}
		}
	}
}
