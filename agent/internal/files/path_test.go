package files

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPathsInsideTheHome(t *testing.T) {
	linux := spelling{homes: []string{"/srv/home", "/given"}}
	windows := spelling{windows: true, homes: []string{"C:/Octopus", "D:/given"}}
	for text, want := range map[string]string{
		"a":                   "a",
		`a\b/c`:               "a/b/c",
		"./a//b/":             "a/b",
		"a/../b":              "b",
		"Files/Work/x":        "Files/Work/x",
		"Workers":             "Workers",
		".tentacles/x":        ".tentacles/x",
		"/srv/home/Files/x":   "Files/x",
		"/given/Files/x":      "Files/x",
		"/srv/home/../home/x": "x",
		"/srv/home":           "",
		".":                   "",
		"":                    "",
		"a:b":                 "a:b",
		"Files/nullable":      "Files/nullable",
	} {
		got, err := linux.parse(text)
		if diff := cmp.Diff(want, strings.Join(got, "/")); err != nil || diff != "" {
			t.Errorf("%q: %v %s", text, err, diff)
		}
	}
	for text, want := range map[string]string{
		`C:\Octopus\Files\x`: "Files/x",
		`c:/octopus/Files/x`: "Files/x",
		`d:\GIVEN\x`:         "x",
		`Files\console.log`:  "Files/console.log",
		`Files\com10`:        "Files/com10",
	} {
		got, err := windows.parse(text)
		if diff := cmp.Diff(want, strings.Join(got, "/")); err != nil || diff != "" {
			t.Errorf("%q: %v %s", text, err, diff)
		}
	}
}

// hostile are paths that no system may take.
var hostile = []string{
	"..", "../x", `..\x`, "a/../../x", `a\..\..\x`, "/etc/passwd", `\etc\passwd`, "/", "/srv/homeless/x", "/srv/home/../x",
	".tentacle", ".tentacle/trust.json", "./.tentacle/x", "a/../.tentacle/x", `.tentacle\x`, ".TENTACLE/x", ".Tentacle/x",
	".tentacle./x", ".tentacle /x", ".tentacle . ./x", "/srv/home/.tentacle/x", "/srv/home/./WORK/x", `\srv\home\.tentacle\x`,
	"Work", "work/t/x", "WORK/t/x", "Work./t", "Wor\u212a/t", "x/../Work/t", "Work\\t",
	"nul", "Files/NUL", "Files/con.txt", "Files/aux .txt", "Files/COM1", "Files/com¹.x", "Files/lpt9/x", "Files/CONIN$", "Files/conout$.txt",
	"Files/x.", "Files/x ", "Files./x", "a /b",
	"a\x00b", "a\xffb", strings.Repeat("a/", 2000) + "a", strings.Repeat("a", 5000),
}

func TestHostilePathsAreRefusedByTheirText(t *testing.T) {
	for _, s := range []spelling{{homes: []string{"/srv/home"}}, {windows: true, homes: []string{"C:/Octopus"}}} {
		for _, text := range hostile {
			if got, err := s.parse(text); !errors.Is(err, errRefused) {
				t.Errorf("windows=%v %.60q: %v, %v; want a refusal", s.windows, text, got, err)
			}
		}
	}
}

func TestNamesThatMeanSomethingElseOnWindows(t *testing.T) {
	s := spelling{windows: true, homes: []string{"C:/Octopus"}}
	for _, text := range []string{
		`C:\Windows\x`, `C:x`, `C:`, `\\server\share\x`, `//server/share/x`, `\\?\C:\Octopus\x`, `\\.\pipe\x`, `\Octopus\x`, `C:\Octopus2\x`,
		"Files/x:stream", ".tentacle::$INDEX_ALLOCATION/x", "Work:x", "Files/a?b", "Files/a*b", "Files/a\x01b",
	} {
		if got, err := s.parse(text); !errors.Is(err, errRefused) {
			t.Errorf("%q: %v, %v; want a refusal", text, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range hostile {
		f.Add(text)
	}
	f.Add("Files/x")
	f.Fuzz(func(t *testing.T, text string) {
		for _, windows := range []bool{false, true} {
			s := spelling{windows: windows, homes: []string{"/srv/home"}}
			parts, err := s.parse(text)
			if err != nil {
				continue
			}
			for i, part := range parts {
				if part == "" || part == "." || part == ".." || strings.ContainsAny(part, "/\\\x00") || i == 0 && closed(part) {
					t.Errorf("%q became %q", text, parts)
				}
			}
		}
	})
}
