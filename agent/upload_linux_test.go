package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
)

// What is uploaded is written to the disk once, and is there as a file that was made there would be.
func TestALargeUploadIsWrittenOnce(t *testing.T) {
	const size = 32 << 20
	certificate, thumbprint := tentacletest.NewCertificate(t, "operator")
	home := filepath.Join(t.TempDir(), "home")
	e := initialise(t, home, thumbprint)
	pid := start(t, home, e).cmd.Process.Pid
	client := operator(t, e, certificate)
	upload := func(name string, size int64) os.FileInfo {
		t.Helper()
		r, err := client.UploadFile(t.Context(), name, halibut.NewDataStream(size, func() (io.ReadCloser, error) { return io.NopCloser(&endless{size}), nil }))
		if err != nil || r.Length != size {
			t.Fatalf("%+v, %v", r, err)
		}
		info, err := os.Stat(filepath.Join(home, name))
		if err != nil || info.Size() != size {
			t.Fatalf("%v, %v", info, err)
		}
		return info
	}
	before := written(t, pid)
	large := upload("Files/large", size)
	disk := written(t, pid) - before
	switch {
	case disk == 0:
		t.Log("this file system counts nothing")
	case disk > size*5/4:
		t.Errorf("%d bytes were written for %d", disk, size)
	}
	if small := upload("Files/small", 1000); large.Mode() != small.Mode() {
		t.Errorf("a large file has mode %s, a small one %s", large.Mode(), small.Mode())
	}
	if err := os.Chmod(filepath.Join(home, "Files/large"), 0o750); err != nil {
		t.Fatal(err)
	}
	if again := upload("Files/large", size/2); again.Mode() != 0o750 {
		t.Errorf("a file that is replaced has mode %s", again.Mode())
	}
	for _, folder := range []string{"Files", filepath.Join(".tentacle", "spool")} {
		left, err := filepath.Glob(filepath.Join(home, folder, "[.s]t*"))
		if more, _ := filepath.Glob(filepath.Join(home, folder, ".mantle*")); err != nil || len(left)+len(more) > 0 {
			t.Errorf("left are %v %v, %v", left, more, err)
		}
	}
}
