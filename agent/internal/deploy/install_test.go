package deploy

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mantledeploy/mantle/agent/internal/journal"
	"github.com/mantledeploy/mantle/api/archive"
	"github.com/mantledeploy/mantle/api/step"
)

func TestEveryFormatIsUnpackedAndMadeCurrent(t *testing.T) {
	entries := []entry{{name: "./bin/web", body: "#!", mode: 0o755}, {name: "conf/a.json", body: "{}"},
		{name: "latest", link: "bin/web", kind: tar.TypeSymlink}, {name: "conf/up", link: "../bin", kind: tar.TypeSymlink}}
	want := map[string]string{"bin": "/", "bin/web": "#!", "conf": "/", "conf/a.json": "{}", "latest": "-> bin/web", "conf/up": "-> ../bin"}
	for _, format := range []string{step.FormatTar, step.FormatTarGz, step.FormatZip} {
		t.Run(format, func(t *testing.T) {
			archive := tarOf(t, entries...)
			if format == step.FormatZip {
				archive = zipOf(t, entries...)
			}
			home := t.TempDir()
			got, err := install(t, home, upload(t, home, format, archive), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if wanted := filepath.Join(home, "Applications/shop/production/shop/web/1.0.0"); got != wanted {
				t.Errorf("the folder is %s", got)
			}
			files := tree(t, got)
			if !strings.Contains(files[Marker], `"content"`) {
				t.Errorf("the marker is %q", files[Marker])
			}
			delete(files, Marker)
			if diff := cmp.Diff(want, files); diff != "" {
				t.Error(diff)
			}
			if target, err := os.Readlink(filepath.Join(filepath.Dir(got), Current)); err != nil || target != "1.0.0" {
				t.Errorf("current -> %s, %v", target, err)
			}
			info, err := os.Stat(filepath.Join(got, "bin/web"))
			if err != nil || info.Mode()&0o100 == 0 || info.ModTime().Unix() != 1e9 {
				t.Errorf("the program is %v of %v, %v", info.Mode(), info.ModTime(), err)
			}
		})
	}
}

func TestAVersionThatIsThereIsNotTouched(t *testing.T) {
	home := t.TempDir()
	p := upload(t, home, step.FormatTar, tarOf(t, entry{name: "a", body: "1"}))
	for _, want := range []string{"1.0.0", "1.0.0_1", "1.0.0_2"} {
		got, err := install(t, home, p, Options{})
		if err != nil || filepath.Base(got) != want {
			t.Fatalf("folder %s, %v; want %s", got, err, want)
		}
		if at, ok := Relative(home, p, got); !ok || Directory(home, at) != got {
			t.Errorf("%s is taken for no folder of the package", got)
		}
		for _, other := range []string{filepath.Dir(got) + "/1.0.01", got + "/a", got + "_x", filepath.Dir(got) + "/2.0.0", filepath.Base(got), ""} {
			if _, ok := Relative(home, p, other); ok {
				t.Errorf("%s is taken for a folder of the package", other)
			}
		}
		if target, err := os.Readlink(filepath.Join(filepath.Dir(got), Current)); err != nil || target != want {
			t.Fatalf("current -> %s, %v", target, err)
		}
	}
}

func TestArchivesCannotLeaveTheirFolder(t *testing.T) {
	file := func(name string) entry { return entry{name: name, body: "x"} }
	link := func(name, target string) entry { return entry{name: name, link: target, kind: tar.TypeSymlink} }
	attacks := map[string][]entry{
		"traversal":              {file("../evil")},
		"traversal within":       {file("a/../../evil")},
		"absolute":               {file("/tmp/evil")},
		"link out":               {link("l", "../../evil")},
		"absolute link":          {link("l", "/etc")},
		"link up through a link": {link("d", "."), link("l", "d/..")},
		"write through a link":   {{name: "d", kind: tar.TypeDir, mode: 0o755}, link("l", "d"), file("l/evil")},
		"write over a folder":    {{name: "l/", kind: tar.TypeDir, mode: 0o755}, file("l")},
		"file as a folder":       {file("a"), file("a/b")},
		"device":                 {{name: "dev", kind: tar.TypeChar}},
		"marker":                 {file(Marker)},
		"too deep":               {file(strings.Repeat("a/", archive.MaxDepth) + "b")},
		"long name":              {file(strings.Repeat("a", archive.MaxName+1))},
		"dot-dot at the end":     {file("a/..")},
	}
	onlyTar := map[string][]entry{
		"fifo":                {{name: "f", kind: tar.TypeFifo}},
		"hard link out":       {{name: "h", link: "../../../../../../secret", kind: tar.TypeLink}},
		"absolute hard link":  {{name: "h", link: "/etc/passwd", kind: tar.TypeLink}},
		"hard link to a link": {link("l", "x"), {name: "h", link: "l", kind: tar.TypeLink}},
		"hard link to later":  {{name: "h", link: "a", kind: tar.TypeLink}, file("a")},
	}
	try := func(t *testing.T, format string, archive []byte) {
		outside := t.TempDir()
		home := filepath.Join(outside, "home")
		p := upload(t, home, format, archive)
		_, err := install(t, home, p, Options{})
		var e *Error
		if !errors.As(err, &e) || e.Reason != step.ReasonPackageRefused {
			t.Errorf("the error is %v", err)
		}
		if got, _ := os.ReadDir(filepath.Join(home, "Applications/shop/production/shop/web")); len(got) != 0 {
			t.Errorf("it left %v", got)
		}
		if got, _ := os.ReadDir(outside); len(got) != 1 {
			t.Errorf("outside there is %v", got)
		}
		if _, err := os.Stat(filepath.Join(home, filepath.FromSlash(p.Deploy.Content.Path))); err != nil {
			t.Errorf("a content with the right digest was removed: %v", err)
		}
	}
	for name, entries := range attacks {
		t.Run("tar "+name, func(t *testing.T) { try(t, step.FormatTarGz, tarOf(t, entries...)) })
		t.Run("zip "+name, func(t *testing.T) { try(t, step.FormatZip, zipOf(t, entries...)) })
	}
	for name, entries := range onlyTar {
		t.Run("tar "+name, func(t *testing.T) { try(t, step.FormatTar, tarOf(t, entries...)) })
	}
	t.Run("zip with the other separator", func(t *testing.T) { try(t, step.FormatZip, zipOf(t, file(`..\evil`))) })
	t.Run("not a zip", func(t *testing.T) { try(t, step.FormatZip, []byte("text")) })
	t.Run("not a tar", func(t *testing.T) { try(t, step.FormatTar, bytes.Repeat([]byte("text"), 1000)) })
}

func TestBombsAreStopped(t *testing.T) {
	big := strings.Repeat("\x00", 8<<20)
	var many []entry
	for i := range 100 {
		many = append(many, entry{name: strings.Repeat("a", i+1), body: "x"})
	}
	limits := Limits{Bytes: 16 << 20, Entries: 50, Ratio: 100, RatioFrom: 1 << 20}
	for name, c := range map[string]struct {
		archive []byte
		format  string
	}{
		"many files in tar":  {tarOf(t, many...), step.FormatTar},
		"many files in zip":  {zipOf(t, many...), step.FormatZip},
		"ratio of gzip":      {tarOf(t, entry{name: "a", body: big}), step.FormatTarGz},
		"ratio of zip":       {zipOf(t, entry{name: "a", body: big}), step.FormatZip},
		"size":               {tarOf(t, entry{name: "a", body: big}, entry{name: "b", body: big}), step.FormatTar},
		"zeros after a tar":  {append(tarOf(t, entry{name: "a"}), big...), step.FormatTarGz},
		"size of many small": {zipOf(t, entry{name: "a", body: big}, entry{name: "b", body: big}, entry{name: "c", body: big}), step.FormatZip},
	} {
		home := t.TempDir()
		_, err := install(t, home, upload(t, home, c.format, c.archive), Options{Limits: limits})
		var e *Error
		if !errors.As(err, &e) || e.Reason != step.ReasonPackageRefused {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}

func TestAWrongContentIsRemovedSoThatItIsSentAgain(t *testing.T) {
	archive := tarOf(t, entry{name: "a", body: strings.Repeat("text", 5000)})
	for name, spoil := range map[string]func([]byte) []byte{
		"one byte":  func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"truncated": func(b []byte) []byte { return b[:len(b)/2] },
		"another":   func([]byte) []byte { return gzipOf(t, tarOf(t, entry{name: "../b"})) },
		"empty":     func([]byte) []byte { return nil },
	} {
		home := t.TempDir()
		p := upload(t, home, step.FormatTarGz, archive)
		p.Deploy.Content.Size = 0
		path := filepath.Join(home, filepath.FromSlash(p.Deploy.Content.Path))
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, spoil(data), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = install(t, home, p, Options{})
		var e *Error
		if !errors.As(err, &e) || e.Reason != step.ReasonContentCorrupt {
			t.Errorf("%s: the error is %v", name, err)
		}
		_, err = install(t, home, p, Options{})
		if !errors.As(err, &e) || e.Reason != step.ReasonContentMissing {
			t.Errorf("%s: the second error is %v", name, err)
		}
		if got, _ := filepath.Glob(filepath.Join(home, "Applications/*/*/*/*/*")); len(got) != 0 {
			t.Errorf("%s: it left %v", name, got)
		}
	}
}

func TestContentsAreListedOnceTheyWereRead(t *testing.T) {
	home := t.TempDir()
	if got, err := Contents(home, ""); err != nil || len(got) != 0 {
		t.Errorf("an empty home holds %v, %v", got, err)
	}
	p := upload(t, home, step.FormatTarGz, tarOf(t, entry{name: "a"}))
	unread := upload(t, home, step.FormatTar, tarOf(t, entry{name: "b"}))
	if _, err := install(t, home, p, Options{}); err != nil {
		t.Fatal(err)
	}
	got, err := Contents(home, "")
	if err != nil || !slices.Equal(got, []string{p.Deploy.Content.SHA256}) {
		t.Errorf("contents %v, %v; %s was not read yet", got, err, unread.Deploy.Content.SHA256)
	}
	if err := os.Truncate(filepath.Join(home, filepath.FromSlash(p.Deploy.Content.Path)), 3); err != nil {
		t.Fatal(err)
	}
	if got, err := Contents(home, ""); err != nil || len(got) != 0 {
		t.Errorf("a cut content is listed: %v, %v", got, err)
	}
	if free, err := FreeBytes(home); err != nil || free <= 0 {
		t.Errorf("free bytes %d, %v", free, err)
	}
}

func TestCancellingLeavesNothing(t *testing.T) {
	home := t.TempDir()
	p := upload(t, home, step.FormatTar, tarOf(t, entry{name: "a"}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Install(ctx, home, p, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	if got, _ := filepath.Glob(filepath.Join(home, "Applications/*/*/*/*/*")); len(got) != 0 {
		t.Errorf("it left %v", got)
	}
}

func TestAFolderNamedCurrentIsNotReplaced(t *testing.T) {
	home := t.TempDir()
	p := upload(t, home, step.FormatTar, tarOf(t, entry{name: "a"}))
	theirs := filepath.Join(home, "Applications/shop/production/shop/web/current/data")
	if err := os.MkdirAll(theirs, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := install(t, home, p, Options{}); err == nil || !strings.Contains(err.Error(), "is not a link") {
		t.Errorf("the error is %v", err)
	}
	if _, err := os.Stat(theirs); err != nil {
		t.Error(err)
	}
}

func TestInstalledIsStrict(t *testing.T) {
	home := t.TempDir()
	j, err := journal.Open(home)
	if err != nil {
		t.Fatal(err)
	}
	p := upload(t, home, step.FormatTar, tarOf(t, entry{name: "a"}))
	p.Variables = map[string]step.Value{"password": step.SecretRef(0)}
	p.StepDigest = step.DigestStep(p)
	d := Digests(p, []string{"hunter2"}, []byte("key"))
	relative, err := Install(t.Context(), home, p, Options{})
	if err != nil {
		t.Fatal(err)
	}
	strict(t, home, j, p, d, relative)
}

// strict plays what can have happened since an installation.
func strict(t *testing.T, home string, j *journal.Journal, p step.Plan, d journal.Digests, relative string) {
	t.Helper()
	good := journal.Row{Namespace: "shop", Environment: "production", Project: "shop", Kind: "deploy", Package: "web", RunUID: "u",
		Directory: relative, Digests: &d, Phase: journal.Succeeded}
	check := func(why string, want bool, digests journal.Digests) {
		t.Helper()
		_, ok, err := Installed(home, j, p, digests)
		if err != nil || ok != want {
			t.Errorf("%s: installed is %v, %v", why, ok, err)
		}
	}
	add := func(r journal.Row) {
		t.Helper()
		if err := j.Append(r, false); err != nil {
			t.Fatal(err)
		}
	}
	check("an empty journal", false, d)
	add(good)
	check("the same again", true, d)
	check("another secret", false, Digests(p, []string{"hunter3"}, []byte("key")))
	check("another key", false, Digests(p, []string{"hunter2"}, []byte("yek")))
	other := good
	other.Package = "db"
	add(other)
	check("another package since", true, d)
	begun := good
	begun.Phase = journal.Started
	add(begun)
	check("an unfinished attempt since", false, d)
	add(good)
	check("and finished", true, d)
	link := filepath.Join(filepath.Dir(Directory(home, relative)), Current)
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	check("no link", false, d)
	if err := os.Symlink("0.9.0", link); err != nil {
		t.Fatal(err)
	}
	check("another link", false, d)
	if err := errors.Join(os.Remove(link), os.Symlink("1.0.0", link)); err != nil {
		t.Fatal(err)
	}
	check("the link mended", true, d)
	if err := os.RemoveAll(Directory(home, relative)); err != nil {
		t.Fatal(err)
	}
	check("no folder", false, d)
}

// Whatever an archive holds, nothing outside its folder comes of it.
func FuzzArchives(f *testing.F) {
	t := &testing.T{}
	f.Add(tarOf(t, entry{name: "a/b", body: "x"}, entry{name: "l", link: "a", kind: tar.TypeSymlink}), false)
	f.Add(zipOf(t, entry{name: "a/b", body: "x"}, entry{name: "l", link: "../a", kind: tar.TypeSymlink}), true)
	f.Fuzz(func(t *testing.T, archive []byte, zipped bool) {
		outside := t.TempDir()
		content, err := os.Create(filepath.Join(outside, "content"))
		if err != nil {
			t.Fatal(err)
		}
		defer content.Close()
		_, writing := content.Write(archive)
		_, seeking := content.Seek(0, 0)
		inside := filepath.Join(outside, "inside")
		if err := errors.Join(writing, seeking, os.Mkdir(inside, 0o755)); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(inside)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		sum := sha256.Sum256(archive)
		c := step.Content{SHA256: hex.EncodeToString(sum[:]), Format: step.FormatTar}
		if zipped {
			c.Format = step.FormatZip
		}
		var e *Error
		err = unpack(t.Context(), content, c, newSink(t.Context(), root, inside, Limits{Bytes: 1 << 20, Entries: 100}))
		if errors.As(err, &e) && e.Reason != step.ReasonPackageRefused {
			t.Errorf("the error is %v", err)
		}
		if got, _ := os.ReadDir(outside); len(got) != 2 {
			t.Errorf("outside there is %v", got)
		}
	})
}
