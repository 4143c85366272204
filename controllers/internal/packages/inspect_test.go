package packages

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func look(t *testing.T, content []byte) (format, digest string, err error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "package")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return inspect(t.Context(), f, int64(len(content)))
}

func plainTar(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		h.Mode = 0o644
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What a machine would refuse when a rollout reaches it is refused when the release is resolved, by the entry's name.
func TestWhatMachinesRefuseIsRefused(t *testing.T) {
	file := func(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeReg} }
	for says, content := range map[string][]byte{
		`"d" is in the archive as a folder too`: plainTar(t, tar.Header{Name: "d/", Typeflag: tar.TypeDir}, file("d")),
		`"../evil" has a part`:                  plainTar(t, file("../evil")),
		`"f" is neither`:                        plainTar(t, tar.Header{Name: "f", Typeflag: tar.TypeFifo}),
		`the link "l" leads out`:                plainTar(t, tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "/etc"}),
		`"a/b" lies below "a"`:                  plainTar(t, file("a"), file("a/b")),
		`the link "z" leads out`:                zipped(t, "z", os.ModeSymlink, "../x"),
		`"../z" has a part`:                     zipped(t, "../z", 0, "x"),
		"checksum error":                        spoiled(zipped(t, "a", 0, "some text")),
		"match none of these":                   []byte("text"),
	} {
		_, _, err := look(t, content)
		var invalid *InvalidError
		if !errors.As(err, &invalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want one that says %s", err, says)
		}
	}
}

func zipped(t *testing.T, name string, mode os.FileMode, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	h := &zip.FileHeader{Name: name, Method: zip.Store}
	h.SetMode(mode | 0o644)
	f, err := w.CreateHeader(h)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func spoiled(archive []byte) []byte {
	return bytes.Replace(archive, []byte("some text"), []byte("same text"), 1)
}

func TestWhatTarMakesIsTaken(t *testing.T) {
	for _, name := range []string{"sparse.tar.gz", "sparse-pax.tar.gz", "named-twice.tar.gz", "appended.tar.gz"} {
		content, err := os.ReadFile(filepath.Join("../../../api/archive/testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if format, _, err := look(t, content); err != nil || format != "tar.gz" {
			t.Errorf("%s: %s, %v", name, format, err)
		}
	}
	content := zipped(t, "a", 0, "text")
	sum := sha256.Sum256(content)
	if format, digest, err := look(t, content); err != nil || format != "zip" || digest != "sha256:"+hex.EncodeToString(sum[:]) {
		t.Errorf("%s %s, %v", format, digest, err)
	}
}

// A hole costs nothing in the archive, and as much as its file on a machine.
func TestAFileOfHolesIsBounded(t *testing.T) {
	header := plainTar(t, tar.Header{Name: "holes", Typeflag: tar.TypeReg})
	sparse := func(size string) []byte { // as GNU tar writes it: no data, and the real size
		b := bytes.Clone(header)
		copy(b[156:], "S")
		copy(b[257:], "ustar  \x00")
		clear(b[386:512])
		copy(b[386:], "00000000000\x0000000000000\x00")
		copy(b[386:], octal(size)+"\x0000000000000\x00")
		copy(b[483:], octal(size)+"\x00")
		copy(b[148:], "        ")
		sum := 0
		for _, c := range b[:512] {
			sum += int(c)
		}
		copy(b[148:], octal3(sum))
		return b
	}
	if _, _, err := look(t, sparse("00001000000")); err != nil {
		t.Errorf("a small one: %v", err)
	}
	if _, _, err := look(t, sparse("big")); err == nil || !strings.Contains(err.Error(), `"holes" unpacks to more than`) {
		t.Errorf("one of 64 GiB: %v", err)
	}
}

// octal is a size field of tar; "big" is 64 GiB in its binary form.
func octal(size string) string {
	if size == "big" {
		return "\x80\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00\x00"[:11]
	}
	return size
}

func octal3(sum int) string {
	const digits = "01234567"
	out := []byte("000000\x00 ")
	for i := 5; i >= 0; i-- {
		out[i] = digits[sum&7]
		sum >>= 3
	}
	return string(out)
}
