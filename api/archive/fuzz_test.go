package archive

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"io"
	"path/filepath"
	"testing"
)

// FuzzGunzip wants what compress/gzip makes of a file that it takes, whatever padding follows; and whatever the bytes are, an
// end.
func FuzzGunzip(f *testing.F) {
	var b bytes.Buffer
	for _, text := range []string{"a", "", "another member"} {
		w := gzip.NewWriter(&b)
		_, _ = w.Write([]byte(text))
		_ = w.Close()
		f.Add(b.Bytes(), uint16(3))
	}
	f.Add([]byte("\x1f\x8b"), uint16(0))
	const most = 1 << 20
	read := func(open func() (io.Reader, error)) ([]byte, error) {
		r, err := open()
		if err != nil {
			return nil, err
		}
		return io.ReadAll(io.LimitReader(r, most))
	}
	f.Fuzz(func(t *testing.T, data []byte, padding uint16) {
		want, refused := read(func() (io.Reader, error) { return gzip.NewReader(bytes.NewReader(data)) })
		padded := append(bytes.Clone(data), make([]byte, padding)...)
		got, err := read(func() (io.Reader, error) { return Gunzip(bufio.NewReader(bytes.NewReader(padded))) })
		if refused == nil && (err != nil || !bytes.Equal(got, want)) {
			t.Errorf("%d bytes, %v; want %d", len(got), err, len(want))
		}
	})
}

func zipOfNames(names ...string) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range names {
		_, _ = w.CreateHeader(&zip.FileHeader{Name: name, NonUTF8: true})
	}
	_ = w.Close()
	return b.Bytes()
}

// FuzzZip reads any bytes as a zip. Whatever it lists, what is taken of it has a name within the package.
func FuzzZip(f *testing.F) {
	f.Add([]byte("PK\x05\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), true)
	f.Add(zipOfNames("a/b", `..\c`, "/d", "\x81\xe1", "e/"), false)
	f.Fuzz(func(t *testing.T, data []byte, foldCase bool) {
		list, err := OpenZip(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		j := NewJudge(Limits{Entries: 1000}, System{FoldCase: foldCase})
		for _, entry := range list.File {
			e := Zip(entry)
			made, err := j.Entry(e)
			if err != nil {
				return
			}
			for _, name := range append(made.Folders, made.Name) {
				if name != "" && !filepath.IsLocal(name) {
					t.Errorf("%q of %q is taken", name, entry.Name)
				}
			}
		}
	})
}
