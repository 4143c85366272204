package archive

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
)

func TestModes(t *testing.T) {
	for _, c := range []struct {
		h    tar.Header
		want fs.FileMode
	}{
		{tar.Header{Mode: 0o764}, 0o764},
		{tar.Header{Mode: 0o6755}, 0o755},
		{tar.Header{Mode: 0o044}, 0o644},
		{tar.Header{Mode: 0o011}, 0o711},
		{tar.Header{Mode: 0o1777, Typeflag: tar.TypeDir}, 0o777},
		{tar.Header{Mode: 0o050, Typeflag: tar.TypeDir}, 0o750},
	} {
		if c.h.Typeflag == 0 {
			c.h.Typeflag = tar.TypeReg
		}
		if e := Tar(&c.h); e.Mode != c.want {
			t.Errorf("%o of type %c becomes %o, want %o", c.h.Mode, c.h.Typeflag, e.Mode, c.want)
		}
	}
}

// What GNU tar writes beside files is no reason to refuse an archive.
func TestWhatGNUTarWritesBesideFiles(t *testing.T) {
	for typeflag, want := range map[byte]Kind{'V': Note, 'D': Folder, tar.TypeCont: File} {
		if e := Tar(&tar.Header{Name: "x", Typeflag: typeflag}); e.Kind != want {
			t.Errorf("type %c is a %d, want %d", typeflag, e.Kind, want)
		}
	}
}

func zipped(t *testing.T, headers ...zip.FileHeader) []*zip.File {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, h := range headers {
		if _, err := w.CreateHeader(&h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	list, err := OpenZip(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return list.File
}

func TestTheNamesOfZips(t *testing.T) {
	for _, c := range []struct {
		name          string
		system, flags uint16
		want          string
	}{
		{"gr\x81n.txt", 0, 0, "grün.txt"},       // DOS
		{"grün.txt", 0, 0x800, "grün.txt"},      // with the flag
		{"grün.txt", 3, 0, "grün.txt"},          // macOS's own archiver sets none
		{"gr\x81n.txt", 3, 0, "grün.txt"},       // of Unix, but no UTF-8
		{"\xb3\xc4\xff\x9b", 0, 0, "│─\u00a0¢"}, // the ends of the table
	} {
		f := zipped(t, zip.FileHeader{Name: c.name, NonUTF8: c.flags == 0})[0]
		f.CreatorVersion = c.system << 8
		if got := Zip(f).Name; got != c.want {
			t.Errorf("%q of system %d becomes %q, want %q", c.name, c.system, got, c.want)
		}
	}
}

// Programs of Windows write a name in the characters of their system, and beside it in UTF-8.
func TestTheNameInUTF8BesideAnother(t *testing.T) {
	field := func(other, name string) []byte {
		data := binary.LittleEndian.AppendUint32([]byte{1}, crc32.ChecksumIEEE([]byte(other)))
		data = append(data, name...)
		return append(append([]byte{0x01, 0x00, 0, 0, 0x75, 0x70, byte(len(data)), 0}, data...), 0xff)
	}
	for _, c := range []struct {
		extra []byte
		want  string
	}{
		{field("gr?n.txt", "grün.txt"), "grün.txt"},
		{field("another.txt", "grün.txt"), "gr?n.txt"},
		{field("gr?n.txt", "gr\xff.txt"), "gr?n.txt"},
		{field("gr?n.txt", "../evil"), "../evil"}, // to be refused as a name
		{field("gr?n.txt", "grün.txt")[:12], "gr?n.txt"},
		{nil, "gr?n.txt"},
	} {
		if got := Zip(&zip.File{FileHeader: zip.FileHeader{Name: "gr?n.txt", Extra: c.extra}}).Name; got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestTheModesOfZips(t *testing.T) {
	dos := zip.FileHeader{Name: "dos"}
	unix := zip.FileHeader{Name: "unix"}
	unix.SetMode(0o750)
	none := zip.FileHeader{Name: "none", CreatorVersion: zipUnix << 8}
	for i, f := range zipped(t, dos, unix, none, zip.FileHeader{Name: "dir/"}) {
		e := Zip(f)
		if want := []fs.FileMode{0o644, 0o750, 0o644, 0o755}[i]; e.Mode != want || e.NoMode != (i != 1) {
			t.Errorf("%s has %o, %v, want %o", e.Name, e.Mode, e.NoMode, want)
		}
	}
	for head, want := range map[string]fs.FileMode{"#!/bin/sh": 0o755, "\x7fELF\x02": 0o755, "MZ": 0o644, "": 0o644} {
		if got := DefaultMode([]byte(head)); got != want {
			t.Errorf("%q has %o, want %o", head, got, want)
		}
	}
}

func TestGunzip(t *testing.T) {
	member := func(text string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, err := w.Write([]byte(text))
		if err := errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	for name, c := range map[string]struct {
		in, want string
		fails    bool
	}{
		"one member":           {in: member("a"), want: "a"},
		"two members":          {in: member("a") + member("b"), want: "ab"},
		"an empty one":         {in: member("") + member("b"), want: "b"},
		"padding":              {in: member("a") + strings.Repeat("\x00", 1000), want: "a"},
		"garbage":              {in: member("a") + "garbage", want: "a", fails: true},
		"garbage in zeros":     {in: member("a") + "\x00\x00garbage", want: "a", fails: true},
		"a cut one":            {in: member("a") + member("b")[:8], want: "a", fails: true},
		"a checksum that lies": {in: member("a")[:len(member("a"))-8] + "12345678", want: "a", fails: true},
	} {
		z, err := Gunzip(bufio.NewReader(strings.NewReader(c.in)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(z)
		if string(got) != c.want || (err != nil) != c.fails {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestIsTar(t *testing.T) {
	for _, format := range []tar.Format{tar.FormatUSTAR, tar.FormatPAX, tar.FormatGNU} {
		var b bytes.Buffer
		if err := tar.NewWriter(&b).WriteHeader(&tar.Header{Name: "a", Format: format}); err != nil || !IsTar(b.Bytes()) {
			t.Errorf("%v: %v", format, err)
		}
		v7 := bytes.Clone(b.Bytes()[:512])
		clear(v7[257:])
		copy(v7[148:156], "        ")
		sum := 0
		for _, c := range v7 {
			sum += int(c)
		}
		copy(v7[148:156], fmt.Sprintf("%06o\x00 ", sum))
		if !IsTar(v7) {
			t.Error("the oldest format is not known")
		}
		v7[0]++
		if IsTar(v7) || IsTar(v7[:300]) || IsTar(make([]byte, 512)) {
			t.Error("something else was taken for a tar")
		}
	}
}

func TestZip(t *testing.T) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range []string{`a\b`, "c/"} {
		if _, err := w.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	list, err := OpenZip(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for _, f := range list.File {
		e := Zip(f)
		got = append(got, fmt.Sprint(e.Kind, " ", e.Name))
	}
	if want := []string{fmt.Sprint(File, " a/b"), fmt.Sprint(Folder, " c/")}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if _, err := OpenZip(strings.NewReader("text"), 4); err == nil {
		t.Error("a text was taken for a zip")
	}
}
