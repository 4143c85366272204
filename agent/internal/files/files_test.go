package files

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/api/halibut"
)

func newStore(t *testing.T) (*Store, home.Home) {
	t.Helper()
	h, err := home.Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(h, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, h
}

func stream(content string) *halibut.DataStream { return halibut.NewDataStreamBytes([]byte(content)) }

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Skip("no links here:", err)
	}
}

func download(t *testing.T, s *Store, path string) (content string, found bool, err error) {
	t.Helper()
	d, err := s.DownloadFile(t.Context(), path)
	if err != nil || d == nil {
		return "", false, err
	}
	r, err := d.Open()
	if err != nil {
		return "", false, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err == nil && int64(len(data)) != d.Len() {
		err = fmt.Errorf("%d bytes announced, %d sent", d.Len(), len(data))
	}
	return string(data), true, err
}

func isFinal(err error) bool {
	_, ok := errors.AsType[halibut.FinalError](err)
	return ok
}

func TestUploadAnswersWhereItLiesItsDigestAndSize(t *testing.T) {
	s, h := newStore(t)
	for _, path := range []string{"Files/new/deep/x.txt", `Files\new\deep\y.txt`, filepath.Join(h.Dir(), "Applications", "z")} {
		content := "content of " + path
		got, err := s.UploadFile(t.Context(), path, stream(content))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha1.Sum([]byte(content))
		if got.Hash == nil || *got.Hash != hex.EncodeToString(sum[:]) || got.Length != int64(len(content)) {
			t.Errorf("%s: %+v", path, got)
		}
		data, err := os.ReadFile(got.FullPath)
		if err != nil || string(data) != content {
			t.Errorf("at %s: %q, %v", got.FullPath, data, err)
		}
		if back, found, err := download(t, s, path); back != content || !found || err != nil {
			t.Errorf("downloaded %q, %v, %v", back, found, err)
		}
	}
}

func TestUploadWithoutContentWritesNothing(t *testing.T) {
	s, h := newStore(t)
	got, err := s.UploadFile(t.Context(), "Files/x", nil)
	if err != nil || got.Hash != nil || got.Length != 0 || got.FullPath != filepath.Join(h.Dir(), "Files", "x") {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := os.Lstat(got.FullPath); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was written: %v", err)
	}
	if _, err := s.UploadFile(t.Context(), ".tentacle/x", nil); !isFinal(err) {
		t.Errorf("a closed path: %v", err)
	}
}

func TestAnOverwrittenFileKeepsItsMode(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no modes")
	}
	s, h := newStore(t)
	path := filepath.Join(h.Dir(), "Files", "run.sh")
	write(t, path, "old")
	if err := os.Chmod(path, 0o750); err != nil {
		t.Fatal(err)
	}
	if _, err := s.UploadFile(t.Context(), "Files/run.sh", stream("new")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o750 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestAReaderNeverSeesHalfAnUpload(t *testing.T) {
	s, h := newStore(t)
	a, b := strings.Repeat("a", 1<<20), strings.Repeat("b", 1<<20)
	write(t, filepath.Join(h.Dir(), "Files", "x"), a)
	var all sync.WaitGroup
	for _, content := range []string{a, b} {
		all.Go(func() {
			for range 10 {
				if _, err := s.UploadFile(context.Background(), "Files/x", stream(content)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 20 {
		if got, _, err := download(t, s, "Files/x"); err != nil || got != a && got != b {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
	all.Wait()
	assertNoTemporary(t, h)
}

func assertNoTemporary(t *testing.T, h home.Home) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(h.Dir(), "Files", tempPrefix+"*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestAnUploadThatFailsLeavesTheOldContentAndNothingElse(t *testing.T) {
	s, h := newStore(t)
	write(t, filepath.Join(h.Dir(), "Files", "x"), "old")
	short := halibut.NewDataStream(10, func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("short")), nil })
	if _, err := s.UploadFile(t.Context(), "Files/x", short); err == nil || isFinal(err) {
		t.Errorf("content that ended early: %v, want an error that may pass", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.UploadFile(gone, "Files/x", stream("new")); !errors.Is(err, context.Canceled) {
		t.Errorf("a peer that went away: %v", err)
	}
	if got, _, err := download(t, s, "Files/x"); got != "old" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	assertNoTemporary(t, h)
}

func TestSweepRemovesWhatACrashLeft(t *testing.T) {
	s, h := newStore(t)
	left := filepath.Join(h.Dir(), "Files", "deep", tempPrefix+"X")
	kept := filepath.Join(h.Dir(), "Files", "deep", "x")
	write(t, left, "half")
	write(t, kept, "whole")
	if err := s.Sweep(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the cut-off upload is still there")
	}
	if _, err := os.Lstat(kept); err != nil {
		t.Error(err)
	}
}

func TestDownloadOfWhatIsNoFileIsNull(t *testing.T) {
	s, _ := newStore(t)
	for _, path := range []string{"Files/missing", "missing/missing", "Files", "", ".", "Applications/"} {
		if _, found, err := download(t, s, path); found || err != nil {
			t.Errorf("%q: found %v, %v; want null", path, found, err)
		}
	}
}

func TestUploadOntoAFolderOrThroughAFileIsRefused(t *testing.T) {
	s, h := newStore(t)
	write(t, filepath.Join(h.Dir(), "Files", "file"), "x")
	for _, path := range []string{"Files", "", ".", "Files/file/below"} {
		if _, err := s.UploadFile(t.Context(), path, stream("x")); !isFinal(err) {
			t.Errorf("%q: %v, want a final error", path, err)
		}
	}
}

func TestHostilePathsAreFinalErrors(t *testing.T) {
	s, h := newStore(t)
	write(t, h.State("secret"), "secret")
	write(t, filepath.Join(h.Dir(), "Work", "ticket", "secret"), "secret")
	for _, path := range append(hostile, h.State("secret"), filepath.Join(h.Dir(), "Work", "ticket", "secret")) {
		if _, err := s.UploadFile(t.Context(), path, stream("x")); !isFinal(err) {
			t.Errorf("upload to %.60q: %v", path, err)
		}
		if got, _, err := download(t, s, path); !isFinal(err) {
			t.Errorf("download of %.60q: %q, %v", path, got, err)
		}
	}
}

func TestLinksInsideTheHomeAreFollowed(t *testing.T) {
	s, h := newStore(t)
	write(t, filepath.Join(h.Applications(), "v2", "x"), "two")
	link(t, "v2", filepath.Join(h.Applications(), "current"))
	link(t, filepath.Join(h.Applications(), "v2"), filepath.Join(h.Dir(), "Files", "absolute"))
	link(t, "../Applications/current/x", filepath.Join(h.Dir(), "Files", "file"))
	for _, path := range []string{"Applications/current/x", "Files/absolute/x", "Files/file", "Files/absolute/../absolute/x"} {
		if got, _, err := download(t, s, path); got != "two" || err != nil {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	if _, err := s.UploadFile(t.Context(), "Applications/current/new/y", stream("y")); err != nil {
		t.Error(err)
	}
	if data, err := os.ReadFile(filepath.Join(h.Applications(), "v2", "new", "y")); string(data) != "y" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
}

func TestLinksIntoClosedFoldersOrOutOfTheHomeLeadNowhere(t *testing.T) {
	s, h := newStore(t)
	outside := t.TempDir()
	write(t, filepath.Join(outside, "secret"), "secret")
	write(t, h.State("tickets", "t", "secret"), "secret")
	write(t, filepath.Join(h.Dir(), "Work", "secret"), "secret")
	files := filepath.Join(h.Dir(), "Files")
	for name, target := range map[string]string{
		"a": "../.tentacle", "b": "../.tentacle/tickets/t", "c": h.State(), "d": "../Work", "e": outside, "f": "../../..",
		"g": "./../Files/../.tentacle", "h": "loop", "loop": "h", "i": "../Applications/j",
	} {
		link(t, target, filepath.Join(files, name))
	}
	link(t, "../.tentacle", filepath.Join(h.Applications(), "j"))
	for _, path := range []string{
		"Files/a/tickets/t/secret", "Files/b/secret", "Files/c/tickets/t/secret", "Files/d/secret", "Files/e/secret",
		"Files/f/etc/passwd", "Files/g/trust.json", "Files/h/x", "Files/i/trust.json",
	} {
		if got, _, err := download(t, s, path); !isFinal(err) {
			t.Errorf("download of %s: %q, %v; want a final error", path, got, err)
		}
		if _, err := s.UploadFile(t.Context(), path, stream("x")); !isFinal(err) {
			t.Errorf("upload to %s: %v; want a final error", path, err)
		}
	}
	if data, err := os.ReadFile(filepath.Join(outside, "secret")); string(data) != "secret" || err != nil {
		t.Errorf("outside: %q, %v", data, err)
	}
}

func TestAnUploadReplacesALinkAtTheEnd(t *testing.T) {
	s, h := newStore(t)
	write(t, h.State("trust.json"), "trust")
	path := filepath.Join(h.Dir(), "Files", "x")
	link(t, "../.tentacle/trust.json", path)
	if _, err := s.UploadFile(t.Context(), "Files/x", stream("mine")); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(h.Trust()); string(data) != "trust" || err != nil {
		t.Errorf("the owner's file: %q, %v", data, err)
	}
	if data, err := os.ReadFile(path); string(data) != "mine" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
}

// A local program exchanges a folder for a link into the state folder as fast as it can, while an
// operator uploads and downloads: nothing may come out of, or get into, the state folder.
func TestAFolderThatIsExchangedWhileItIsOpenedLeadsNowhereElse(t *testing.T) {
	s, h := newStore(t)
	write(t, h.State("secret"), "secret")
	files := filepath.Join(h.Dir(), "Files")
	write(t, filepath.Join(files, "real", "secret"), "harmless")
	link(t, "../.tentacle", filepath.Join(files, "evil"))
	stop := make(chan struct{})
	var exchanging sync.WaitGroup
	exchanging.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			from := []string{"real", "evil"}[i%2]
			_ = os.Rename(filepath.Join(files, from), filepath.Join(files, "x"))
			_ = os.Rename(filepath.Join(files, "x"), filepath.Join(files, from))
		}
	})
	for range 3000 {
		if got, _, _ := download(t, s, "Files/x/secret"); got == "secret" {
			t.Error("the state folder was read")
			break
		}
	}
	for i := range 300 {
		_, _ = s.UploadFile(t.Context(), fmt.Sprintf("Files/x/%d", i), stream("evil"))
	}
	close(stop)
	exchanging.Wait()
	entries, err := os.ReadDir(h.State())
	if err != nil || len(entries) != 1 {
		t.Errorf("the state folder has %v, %v; want only the secret", entries, err)
	}
	if !bytes.Equal([]byte("secret"), must(os.ReadFile(h.State("secret")))) {
		t.Error("the secret was changed")
	}
}

func must(data []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return data
}
