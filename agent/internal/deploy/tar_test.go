package deploy

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mantledeploy/mantle/api/step"
)

// What GNU tar makes of usual files is unpacked as it would do it.
func TestWhatTarMakesIsUnpacked(t *testing.T) {
	disk := "head" + strings.Repeat("\x00", 64<<10-4) + "tail"
	for name, want := range map[string]map[string]string{
		"sparse":      {"disk.img": disk},
		"sparse-pax":  {"disk.img": disk},
		"named-twice": {"d": "/", "d/f": "x\n", "d/g": "x\n"},
		"appended":    {"etc": "/", "etc/app.conf": "final\n"},
	} {
		published, err := os.ReadFile(filepath.Join("../../../api/archive/testdata", name+".tar.gz"))
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(bytes.NewReader(published))
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		home := t.TempDir()
		at, err := install(t, home, upload(t, home, step.FormatTarGz, content), Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		files := tree(t, at)
		delete(files, Marker)
		if diff := cmp.Diff(want, files); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
