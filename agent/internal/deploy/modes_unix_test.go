//go:build unix

package deploy

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mantledeploy/mantle/api/step"
)

// What lies on the disk has the archive's modes, whatever the umask and the order.
func TestModesAreThoseOfTheArchive(t *testing.T) {
	folder := func(name string, mode int64) entry { return entry{name: name, kind: tar.TypeDir, mode: mode} }
	content := tarOf(t, folder("./", 0o775), entry{name: "start.sh", mode: 0o764}, entry{name: "setuid", mode: 0o6755},
		entry{name: "shared.conf", mode: 0o664}, entry{name: "locked", mode: 0o044}, folder("cache/", 0o1777),
		entry{name: "late/key.pem", mode: 0o600}, folder("late/", 0o700), entry{name: "unlisted/a", mode: 0o644},
		folder("readonly/", 0o555), entry{name: "readonly/a", mode: 0o444},
		entry{name: "twice", mode: 0o666}, entry{name: "twice", mode: 0o640})
	want := map[string]fs.FileMode{".": 0o775, "start.sh": 0o764, "setuid": 0o755, "shared.conf": 0o664, "locked": 0o644, "cache": 0o777,
		"late": 0o700, "late/key.pem": 0o600, "unlisted": 0o755, "unlisted/a": 0o644, "readonly": 0o755, "readonly/a": 0o644,
		"twice": 0o640, Marker: 0o644, "..": 0o755, "../..": 0o755, "../../../../..": 0o755}
	checkModes(t, step.FormatTar, content, want)
}

// A zip of Windows says no modes.
func TestModesOfAZipThatHasNone(t *testing.T) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, body := range map[string]string{"run": "#!/bin/sh\n", "tool": "\x7fELF\x02", "text": "#", "d/": ""} {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	checkModes(t, step.FormatZip, b.Bytes(), map[string]fs.FileMode{"run": 0o755, "tool": 0o755, "text": 0o644, "d": 0o755, ".": 0o755})
}

func checkModes(t *testing.T, format string, content []byte, want map[string]fs.FileMode) {
	t.Helper()
	for _, mask := range []int{0, 0o22, 0o77} {
		t.Run(fmt.Sprintf("umask %03o", mask), func(t *testing.T) {
			home := t.TempDir()
			p := upload(t, home, format, content)
			defer syscall.Umask(syscall.Umask(mask))
			at, err := install(t, home, p, Options{})
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]fs.FileMode{}
			for name := range want {
				info, err := os.Lstat(filepath.Join(at, name))
				if err != nil {
					t.Fatal(err)
				}
				got[name] = info.Mode() &^ fs.ModeDir
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A path that the system does not take is refused by its name, and nothing stays of the package.
func TestAPathThatIsTooLong(t *testing.T) {
	home := t.TempDir()
	for range 13 {
		home = filepath.Join(home, strings.Repeat("h", 240))
	}
	name := strings.Repeat(strings.Repeat("n", 240)+"/", 4) + "file"
	p := upload(t, home, step.FormatTar, tarOf(t, entry{name: "short"}, entry{name: name}))
	_, err := install(t, home, p, Options{})
	var refused *Error
	if !errors.As(err, &refused) || refused.Reason != step.ReasonPackageRefused || !strings.Contains(err.Error(), "nnn/file\"") || !strings.Contains(err.Error(), "shorter path") {
		t.Errorf("the error is %v", err)
	}
	if got, _ := os.ReadDir(filepath.Join(home, "Applications/shop/production/shop/web")); len(got) != 0 {
		t.Errorf("it left %v", got)
	}
}
