//go:build linux

package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
)

// closedFiles are all files below the two closed folders, and those that may come there, relative to the home.
func closedFiles(t *testing.T, home string) []string {
	t.Helper()
	all := []string{
		".tentacle", "Work", ".tentacle/policy.yaml", ".tentacle/audit", ".tentacle/audit/audit.jsonl", ".tentacle/audit.jsonl", ".tentacle/pending.json",
		".tentacle/trust.json", ".tentacle/spool/x", ".tentacle/new/folder/x", "Work/new/x",
	}
	for _, folder := range []string{".tentacle", "Work"} {
		err := filepath.WalkDir(filepath.Join(home, folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			name, err := filepath.Rel(home, path)
			all = append(all, name)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// spellings are ways to write the path of a closed file.
func spellings(home, name string) map[string]string {
	folder, rest, _ := strings.Cut(name, "/")
	absolute := filepath.Join(home, name)
	base := filepath.Base(home)
	back := strings.ReplaceAll(name, "/", `\`)
	return map[string]string{
		"plain": name, "with a dot": "./" + name, "doubled slash": strings.ReplaceAll(name, "/", "//"), "slash at the end": name + "/",
		"through Files": "Files/../" + name, "through nothing": "nowhere/at/all/../../../" + name, "out and in again": "../" + base + "/" + name,
		"dots inside": folder + "/./x/../" + rest, "absolute": absolute, "absolute with dots": home + "/Files/../" + name,
		"absolute with doubled slashes": "/" + absolute, "absolute from the root": "/../.." + absolute,
		"backslashes": back, "backslashes through Files": `Files\..\` + back, "absolute in backslashes": strings.ReplaceAll(absolute, "/", `\`),
		"upper case": strings.ToUpper(name), "lower case": strings.ToLower(name), "title case": strings.ToUpper(folder[:2]) + strings.ToLower(folder[2:]) + "/" + rest,
		"dot behind the folder": folder + "./" + rest, "dots and spaces behind": folder + " . ./" + rest, "space behind": folder + " /" + rest,
		"a character that folds": strings.Replace(name, "k", "\u212a", 1), "stream of Windows": folder + "::$INDEX_ALLOCATION/../" + name,
		"NUL behind": name + "\x00", "NUL and an end": name + "\x00.txt", "NUL in front": "\x00" + name, "invalid UTF-8": name + "\xff",
		"drive": `C:` + back, "drive of the home": `C:\..\..` + strings.ReplaceAll(absolute, "/", `\`), "Windows device": `\\?\C:\` + back, "Windows pipe": `\\.\` + back, "share": `\\localhost\c$\` + back,
		"working folder": "/proc/self/cwd/" + name, "root of the process": "/proc/self/root" + absolute, "handle": "/dev/fd/3/" + name, "parent": "/proc/1/root" + absolute,
		"device": "NUL/../" + name, "percent": "%2e%2e/" + base + "/../" + name, "home's sign": "~/../" + name,
		"link to the folder": "Files/" + linkName(folder) + "/" + rest, "link to the home": "Files/home/" + name, "link to the home and out": "Files/home/Files/home/" + name,
		"absolute link": "Files/absolute/" + name, "link to the root": "Files/root" + absolute, "link to a link": "Files/again/" + name,
		"link to the working folder": "Files/cwd/" + name, "link with dots": "Files/home/Files/../" + name,
		"link to it": "Files/" + linkName(name), "absolute link to it": "Files/absolute-" + linkName(name),
	}
}

// linkName is what the link to a closed path is called.
func linkName(name string) string {
	return "to-" + strings.NewReplacer("/", "-", ".", "_").Replace(name)
}

// makeLinks makes what a script could make, in Files.
func makeLinks(t *testing.T, home string, names []string) {
	t.Helper()
	links := map[string]string{"home": "..", "absolute": home, "root": "/", "again": "home", "cwd": "/proc/self/cwd"}
	for _, name := range append([]string{".tentacle", "Work"}, names...) {
		links[linkName(name)] = filepath.Join("..", name)
		links["absolute-"+linkName(name)] = filepath.Join(home, name)
	}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(home, "Files", name)); err != nil {
			t.Fatal(err)
		}
	}
}

// elsewhere tells whether a spelling names an ordinary file of the home here, which may be there or not, or the
// closed folder itself through a link, which is no file.
func elsewhere(how, name string) bool {
	bare := !strings.Contains(name, "/")
	return how == "drive" || how == "percent" || bare && (how == "invalid UTF-8" || strings.Contains(how, "link"))
}

// refusedFinally tells whether the file service itself refused a path, for good.
func refusedFinally(err error) bool {
	answer, ok := errors.AsType[*halibut.ServerError](err)
	return ok && answer.Kind == halibut.ServiceInvocation && strings.Contains(answer.Message, "refused: ")
}

func TestOperatorsReachNothingOfTheOwnersByTransfer(t *testing.T) {
	home := filepath.Join(t.TempDir(), "home")
	a, first := tentacletest.NewCertificate(t, "operator")
	e := initialise(t, home, first)
	start(t, home, e)
	c := operator(t, e, a)
	startScript(t, c, "Script-1", "echo secret > left-behind")
	finish(t, c, "Script-1")
	const rules = "operators: {\"*\": {}}\n" // it allows all, so that it refuses nothing in the place of the file service
	if err := os.WriteFile(filepath.Join(home, ".tentacle", "policy.yaml"), []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	names := closedFiles(t, home)
	makeLinks(t, home, names)
	tried := 0
	for _, name := range names {
		for how, path := range spellings(home, name) {
			tried++
			stream, err := c.DownloadFile(t.Context(), path)
			if !refusedFinally(err) && (err != nil || stream != nil || !elsewhere(how, name)) {
				t.Errorf("DownloadFile of %s, %s (%q): %v, %v", name, how, path, content(t, stream), err)
			}
			if strings.HasSuffix(how, "link to it") || how == "link to the folder" && path == filepath.Dir(path)+"/" {
				continue // an upload replaces a link, and does not follow it
			}
			r, err := c.UploadFile(t.Context(), path, halibut.NewDataStreamBytes([]byte(upload)))
			if !refusedFinally(err) && (err != nil || !elsewhere(how, name)) {
				t.Errorf("UploadFile of %s, %s (%q): %+v, %v", name, how, path, r, err)
			}
		}
	}
	t.Logf("%d spellings of %d closed paths", tried, len(names))
	if got, err := os.ReadFile(filepath.Join(home, ".tentacle", "policy.yaml")); err != nil || string(got) != rules {
		t.Errorf("the policy is %q, %v", got, err)
	}
	untouched(t, home)
	// The same operator, by the same client, has the rest of the home.
	if r, err := c.UploadFile(t.Context(), "Files/mine/.tentacle/Work/x", halibut.NewDataStreamBytes([]byte(upload))); err != nil || r.Length != int64(len(upload)) {
		t.Errorf("UploadFile of its own: %+v, %v", r, err)
	}
}

// upload is what no closed file may hold afterwards.
const upload = "written by an upload"

// untouched looks for the upload's content in the closed folders. Refused content is spooled there for a moment.
func untouched(t *testing.T, home string) {
	t.Helper()
	eventually(t, "no closed file holds what was uploaded", func() bool {
		clean := true
		for _, name := range closedFiles(t, home) {
			got, err := os.ReadFile(filepath.Join(home, name))
			clean = clean && (err != nil || !bytes.Contains(got, []byte(upload)))
		}
		return clean
	})
	for _, name := range []string{".tentacle/new", "Work/new"} {
		if exists(filepath.Join(home, name)) {
			t.Errorf("%s was made", name)
		}
	}
}

func content(t *testing.T, stream *halibut.DataStream) string {
	t.Helper()
	if stream == nil {
		return "nothing"
	}
	r, err := stream.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(io.LimitReader(r, 1<<10))
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}
