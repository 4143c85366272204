package halibut

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// seeds adds the specification's messages to a corpus.
func seeds(f *testing.F) {
	for _, dump := range specification(f) {
		f.Add(dump)
	}
	f.Add([]byte{})
	f.Add([]byte("\x05\x00\x00\x00\x00"))
	f.Add(compose([]member{{"Message", []member{{"$type", requestType}, {"params", list{nil, nil, int64(1)}}}}}))
}

// FuzzMessage decodes documents as requests and responses. What decodes as a response must be encoded and
// decoded to the same again, and nothing may take more memory than its size allows.
func FuzzMessage(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		d := newDecoder(len(data))
		if r, err := decodeRequest(d, data); err == nil {
			for _, s := range signatures {
				_, _ = decodeParams(d, r.Params, s.params)
			}
			for _, p := range r.Params {
				_ = d.scan(p, 0)
			}
		}
		var status, again scriptStatus
		if decodeResponse(newDecoder(len(data)), data, &status) != nil {
			return
		}
		if status.Logs == nil {
			status.Logs = []outputLine{} // null and nothing are written as an empty list
		}
		e, err := encodeResponse(nil, status, nil)
		if err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
		if err := decodeResponse(newDecoder(len(e.out)), e.out, &again); err != nil || !reflect.DeepEqual(status, again) {
			t.Fatalf("%+v was decoded as %+v: %v", status, again, err)
		}
	})
}

// FuzzValue decodes documents into every kind of field, and steps over every kind of element.
func FuzzValue(f *testing.F) {
	seeds(f)
	f.Fuzz(func(_ *testing.T, data []byte) {
		for _, target := range []any{&note{}, &startScript{}, &scriptStatus{}, &struct{ Message rawValue }{}, &map[string]note{}} {
			_ = newDecoder(len(data)).value(rawValue{typeDocument, data}, reflect.ValueOf(target).Elem(), 0)
		}
		_, _ = parseDocument(data)
	})
}

// FuzzInflate reads a message from a deflate stream: it must not read past a bound, nor past its own end.
func FuzzInflate(f *testing.F) {
	c := newCodec()
	for name, dump := range specification(f) {
		if name == "A.2" || name == "A.17" || name == "B.1" {
			f.Add(dump)
		}
		if message, err := c.deflate(dump); err == nil {
			f.Add(message)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 1 << 16
		document, err := c.inflate(bytes.NewReader(data), limit)
		if err != nil {
			return
		}
		if len(document) > limit || int(binary.LittleEndian.Uint32(document)) != len(document) {
			t.Fatalf("a document of %d bytes came through", len(document))
		}
		message, err := c.deflate(document)
		if err != nil {
			t.Fatal(err)
		}
		source := strings.NewReader(string(message) + "NEXT")
		again, err := c.inflate(source, limit)
		if err != nil || !bytes.Equal(again, document) || source.Len() != 4 {
			t.Fatalf("not the same again: %v, %d bytes remain", err, source.Len())
		}
	})
}

// FuzzControl reads control lines and identities.
func FuzzControl(f *testing.F) {
	for _, s := range []string{"NEXT\r\n", "\r\n\r\nPROCEED\r\n", "MX-SERVER 1.0\r\n\r\n", "NEXT\n", "x\r", strings.Repeat("x", 100)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		line, err := readControl(bytes.NewReader(data))
		if err == nil && (line == "" || len(line) > maxControlLine || strings.ContainsAny(line, "\r\n")) {
			t.Fatalf("%q was read as a control line", line)
		}
		_ = readIdentity(bytes.NewReader(data), lineServer)
	})
}

// FuzzInitial reads initial requests.
func FuzzInitial(f *testing.F) {
	for _, s := range []string{"MX\n\n", "MX\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\n\n", "M"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		source := bytes.NewReader(data)
		initial, err := readInitial(source)
		if err == nil && (len(initial) > maxInitial || len(data)-source.Len() > maxInitial || strings.Contains(initial, "\n\n")) {
			t.Fatalf("%q was read from %d bytes", initial, len(data)-source.Len())
		}
	})
}

// FuzzFrames reads the frames of two announced streams.
func FuzzFrames(f *testing.F) {
	first, second := GUID{1}, GUID{2}
	frame := func(g GUID, content string) string {
		n := g.net()
		length := binary.LittleEndian.AppendUint64(nil, uint64(len(content)))
		return string(n[:]) + string(length) + content + string(length)
	}
	f.Add([]byte(frame(first, "abc") + frame(second, "")))
	f.Add([]byte(frame(second, "") + frame(first, "abc")))
	f.Add([]byte(frame(first, "ab") + frame(first, "abc")))
	f.Fuzz(func(t *testing.T, data []byte) {
		streams := []*DataStream{{id: first, length: 3}, {id: second, length: 0}}
		source := bytes.NewReader(data)
		store := newSpool("", 0)
		if err := readStreams(source, streams, store); err != nil {
			if _, err := streams[0].Open(); err == nil {
				t.Fatal("content remains after a failure")
			}
			return
		}
		if read := len(data) - source.Len(); read != 2*32+3 || !store.inStep {
			t.Fatalf("%d bytes were read", read)
		}
	})
}

// FuzzText parses thumbprints, GUIDs and time spans: what is accepted must be written and read the same.
func FuzzText(f *testing.F) {
	for _, s := range []string{
		"36F35047CE8B000CF4C671819A2DD1AFCDE3403D", "SHA256:" + strings.Repeat("aB", 32), "36:F3", vectorActivity,
		"00:00:05", "24.20:31:23.6470000", "-1.00:00:00.1", "10675199.02:48:05.4775807", "24:00:00",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := ParseThumbprint(s); err == nil {
			if again, err := ParseThumbprint(string(p)); err != nil || again != p {
				t.Fatalf("thumbprint %q became %q, then %q (%v)", s, p, again, err)
			}
		}
		if g, err := ParseGUID(s); err == nil {
			if again, err := ParseGUID(g.String()); err != nil || again != g || g.net().net() != g {
				t.Fatalf("GUID %q became %s, then %s (%v)", s, g, again, err)
			}
		}
		if span, err := ParseTimeSpan(s); err == nil {
			if again, err := ParseTimeSpan(span.String()); err != nil || again != span {
				t.Fatalf("time span %q became %s, then %s (%v)", s, span, again, err)
			}
		}
	})
}

// TestHostileSizes decodes what takes little on the wire and would take much in memory.
func TestHostileSizes(t *testing.T) {
	var deep any = "x"
	for range 100 {
		deep = list{deep}
	}
	for name, params := range map[string]list{
		"many nulls":   {[]member{{"$type", startScript{}.HalibutType()}, {"Files", nulls(500_000)}}},
		"many streams": {[]member{{"$type", startScript{}.HalibutType()}, {"Files", streamRefs(maxStreams + 1)}}},
		"deep":         {deep},
	} {
		data := compose([]member{{"Message", []member{{"$type", requestType}, {"params", params}}}})
		d := newDecoder(len(data))
		r, err := decodeRequest(d, data)
		if err == nil {
			_, err = decodeParams(d, r.Params, signatures["StartScript"].params)
		}
		if errors.Is(err, errMismatch) {
			err = d.scan(r.Params[0], 0)
		}
		if err == nil {
			t.Errorf("%s: %d bytes were decoded", name, len(data))
		}
	}
}

func streamRefs(n int) list {
	all := make(list, n)
	for i := range all {
		all[i] = []member{{"Contents", []member{{"id", NewGUID()}, {"length", int64(1)}}}}
	}
	return all
}
