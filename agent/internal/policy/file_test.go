//go:build unix

package policy

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mantledeploy/mantle/api/step"
)

const (
	sha1A   = "36F35047CE8B000CF4C671819A2DD1AFCDE3403D"
	sha256A = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	sha256B = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

const full = `# who may do what here
operators:
  ` + sha256A + `:
    hours:
      timeZone: Europe/Zurich
      allow:
        - Mon-Fri 08:00-18:00
        - Sat 22:00-04:00
    maxScripts: 2
    maxOutput: 8MiB
    requireEngine: true
    interpreters: [bash, Python]
    users: [deploy]
    folders: [/srv/shop/, /var/www]
  36f35047ce8b000cf4c671819a2dd1afcde3403d: {}
  "*":
    maxOutput: 1048576
`

func TestTheWholeFileIsUnderstood(t *testing.T) {
	p, err := Parse([]byte(full))
	if err != nil {
		t.Fatal(err)
	}
	want := &Policy{Operators: []Rules{
		{Operator: sha256A, MaxScripts: 2, MaxOutput: 8 << 20, RequireEngine: true, Interpreters: []step.Shell{step.Bash, step.Python},
			Users: []string{"deploy"}, Folders: []string{"/srv/shop", "/var/www"}},
		{Operator: sha1A},
		{Operator: Anyone, MaxOutput: 1 << 20},
	}}
	if diff := cmp.Diff(want, p, cmpopts.IgnoreFields(Rules{}, "Hours")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := p.Operators[0].Hours.String(); got != "Mon-Fri 08:00-18:00, Sat 22:00-04:00 (Europe/Zurich)" {
		t.Errorf("hours: %s", got)
	}
}

func TestWhatIsWrongIsNamedWithLineAndRemedy(t *testing.T) {
	head := "operators:\n  \"*\":\n"
	tests := map[string]struct{ file, says string }{
		"an unknown key":          {"operator: {}\n", "line 1: operator: is no known key; remove it, or correct it to one of: operators"},
		"an unknown rule":         {head + "    maxScript: 1\n", "line 3: operators.*.maxScript: is no known key; remove it, or correct it to one of: hours"},
		"an unknown key in hours": {head + "    hours: {zone: UTC, allow: [daily 00:00-24:00]}\n", "line 3: operators.*.hours.zone: is no known key"},
		"a rule twice":            {head + "    maxScripts: 1\n    maxScripts: 2\n", "line 4: operators.*.maxScripts: comes twice"},
		"an operator twice":       {"operators:\n  " + sha1A + ": {}\n  " + strings.ToLower(sha1A) + ": {}\n", "line 3: operators." + strings.ToLower(sha1A) + ": comes twice"},
		"no thumbprint":           {"operators:\n  alice: {}\n", "line 2: operators.alice: "},
		"no quotes":               {"operators:\n  *:\n    maxScripts: 1\n", `write "*", for every operator, with its quotes`},
		"no rules":                {"operators:\n  \"*\":\n", "line 2: operators.*: has no rules; write {}"},
		"no operators":            {"operators: {}\n", "names no operator"},
		"nothing":                 {"", "the file is empty"},
		"comments only":           {"# none yet\n", "the file is empty"},
		"a text":                  {"deny all\n", "is not a mapping"},
		"a list":                  {"- a\n", "is not a mapping"},
		"two documents":           {head + "    {}\n---\noperators: {}\n", "more than one document"},
		"an alias":                {"operators:\n  " + sha256A + ": &a {maxScripts: 1}\n  \"*\": *a\n", "line 2: operators." + sha256A + ": anchors and aliases"},
		"a merge":                 {"operators:\n  \"*\":\n    <<: {maxScripts: 1}\n", "line 3: operators.*: has a key that is no plain text"},
		"interpreters alone":      {head + "    interpreters: [Bash]\n", "line 3: operators.*.interpreters: holds only with requireEngine: true, as a raw script can do anything"},
		"users alone":             {head + "    requireEngine: false\n    users: [deploy]\n", "line 4: operators.*.users: holds only with requireEngine: true"},
		"folders alone":           {head + "    folders: [/srv]\n", "line 3: operators.*.folders: holds only with requireEngine: true"},
		"an interpreter":          {head + "    requireEngine: true\n    interpreters: [Ruby]\n", `line 4: operators.*.interpreters: "Ruby" is no interpreter; write some of Bash, PowerShell, Python`},
		"no list":                 {head + "    requireEngine: true\n    interpreters: Bash\n", "line 4: operators.*.interpreters: is no list; write [a, b]"},
		"nobody":                  {head + "    requireEngine: true\n    users: []\n", "line 4: operators.*.users: names nobody"},
		"a relative folder":       {head + "    requireEngine: true\n    folders: [srv]\n", `"srv" is not the absolute path of a folder; write one, as /srv/shop`},
		"no number":               {head + "    maxScripts: many\n", `line 3: operators.*.maxScripts: "many" is not a number from 1 to 10000`},
		"zero scripts":            {head + "    maxScripts: 0\n", "end its trust"},
		"too little output":       {head + "    maxOutput: 10KiB\n", `"10KiB" is no size from 1 MiB to 50 MiB; write it as 8MiB`},
		"too much output":         {head + "    maxOutput: 1000000000000000000000\n", "is no size"},
		"an overflow":             {head + "    maxOutput: 9223372036854775807MiB\n", "is no size"},
		"neither true nor false":  {head + "    requireEngine: yes\n", `"yes" is neither true nor false`},
		"a time zone":             {head + "    hours: {timeZone: Mars, allow: [daily 00:00-24:00]}\n", `"Mars" is no time zone; write one as Europe/Zurich`},
		"a window":                {head + "    hours: {allow: [\"always\"]}\n", `"always" is not understood: write days and times, as Mon-Fri 08:00-18:00`},
		"no window":               {head + "    hours: {timeZone: UTC}\n", "allow names no time at all"},
		"a tab":                   {"operators:\n\t\"*\": {}\n", "line 2: found character that cannot start any token"},
		"too long":                {"#" + strings.Repeat("x", MaxFile), "more than"},
	}
	for name, tt := range tests {
		p, err := Parse([]byte(tt.file))
		file, ok := errors.AsType[*FileError](err)
		if !ok || p != nil {
			t.Errorf("%s: taken as %+v, %v", name, p, err)
			continue
		}
		if !strings.Contains(file.Error(), tt.says) {
			t.Errorf("%s: %s\nlacks %s", name, file, tt.says)
		}
	}
}

func TestAllProblemsAreToldAtOnceAndBounded(t *testing.T) {
	_, err := Parse([]byte("operators:\n  \"*\":\n    maxScripts: x\n    maxOutput: y\n" + strings.Repeat("    a: 1\n", 1000)))
	file, ok := errors.AsType[*FileError](err)
	if !ok || len(file.Problems) != maxProblems || file.Problems[1].Line != 4 {
		t.Errorf("%v", err)
	}
}

// What is wrong in one place does not hide what is wrong in another.
func TestEveryProblemOfAFileIsTold(t *testing.T) {
	_, err := Parse([]byte(`operators:
  alice:
    maxScript: 1
  "*":
    users: []
    hours: {}
    requireEngine: true
    folders: [srv, {}, etc]
  ` + sha256A + `:
    hours: {allow: []}
    requireEngine: true
    users: []
other: 1
`))
	file, ok := errors.AsType[*FileError](err)
	if !ok {
		t.Fatal(err)
	}
	var told []string
	for _, p := range file.Problems {
		told = append(told, p.String())
	}
	for i, want := range []string{
		"line 2: operators.alice: ",
		"line 3: operators.alice.maxScript: is no known key",
		"line 5: operators.*.users: names nobody",
		"line 6: operators.*.hours: allow names no time at all",
		"line 8: operators.*.folders: has an entry that is no plain text",
		`line 8: operators.*.folders: "srv" is not the absolute path`,
		`line 8: operators.*.folders: "etc" is not the absolute path`,
		"line 10: operators." + sha256A + ".hours: allow names no time at all",
		"line 12: operators." + sha256A + ".users: names nobody",
		"line 13: other: is no known key",
	} {
		if i >= len(told) || !strings.HasPrefix(told[i], want) {
			t.Errorf("problem %d is not %q:\n%s", i, want, strings.Join(told, "\n"))
			return
		}
	}
}

func TestAFileWithoutOperatorsIsToldAlsoBesideOtherProblems(t *testing.T) {
	for _, content := range []string{"other: 1\n", "other: 1\noperators: {}\n"} {
		_, err := Parse([]byte(content))
		if err == nil || !strings.Contains(err.Error(), "other: is no known key") || !strings.Contains(err.Error(), "; line ") {
			t.Errorf("%q: %v", content, err)
		}
	}
}

func TestTheExampleOfTheManualIsOne(t *testing.T) {
	manual, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(manual), "\n## Policy\n")
	_, example, _ := strings.Cut(section, "```yaml\n")
	example, _, found := strings.Cut(example, "```")
	p, err := Parse([]byte(example))
	if !found || err != nil {
		t.Fatal(found, err)
	}
	if r := p.Operators[0]; len(p.Operators) != 2 || r.Hours == nil || r.MaxScripts == 0 || r.MaxOutput == 0 || !r.RequireEngine || r.Interpreters == nil || r.Users == nil || r.Folders == nil {
		t.Errorf("the example does not show every rule: %+v", r)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(full))
	for _, s := range []string{"", "operators: {\"*\": {hours: {allow: [daily 00:00-24:00]}}}", "a: &a [*a]", "? {}\n: {}", "operators:\n  *: {}", "---\n---\n",
		"operators: {\"*\": {<<: {}, folders: [/]}}", "\xff\xfe", "operators: !!binary YQ==", "operators: {\"*\": {maxOutput: 1MiB, users: [null]}}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse(data)
		if err != nil {
			file, ok := errors.AsType[*FileError](err)
			if !ok || len(file.Problems) == 0 || len(file.Problems) > maxProblems || p != nil {
				t.Fatalf("%v, %v", p, err)
			}
			return
		}
		if len(p.Operators) == 0 || p.Describe() == "" {
			t.Fatalf("%+v", p)
		}
		for _, r := range p.Operators {
			if !r.RequireEngine && (r.Interpreters != nil || r.Users != nil || r.Folders != nil) {
				t.Fatalf("rules that hold nothing: %+v", r)
			}
			if r.MaxOutput != 0 && (r.MaxOutput < leastOutput || r.MaxOutput > mostOutput) || r.MaxScripts < 0 {
				t.Fatalf("out of bounds: %+v", r)
			}
		}
	})
}

func TestDescribe(t *testing.T) {
	p, err := Parse([]byte(full))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Operator " + sha256A, "Mon-Fri 08:00-18:00", "2 at most", "8192 KiB", "Bash, Python", "as user  deploy", "/srv/shop, /var/www",
		"Every operator without an entry of its own", "code of somebody's choosing"} {
		if !strings.Contains(p.Describe(), want) {
			t.Errorf("it does not say %q:\n%s", want, p.Describe())
		}
	}
	alone, err := Parse([]byte("operators: {" + sha256A + ": {requireEngine: true, interpreters: []}}"))
	if err != nil {
		t.Fatal(err)
	}
	if text := alone.Describe(); !strings.Contains(text, "Every other operator\n  may do nothing") || strings.Contains(text, "somebody's choosing") {
		t.Errorf("%s", text)
	}
}

func TestFoldersAreJudgedWithTheirLinks(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	allowed, other := filepath.Join(root, "allowed"), filepath.Join(root, "other")
	link, back := filepath.Join(allowed, "link"), filepath.Join(root, "back")
	nothing, onward := filepath.Join(allowed, "nothing"), filepath.Join(allowed, "onward")
	if err := errors.Join(os.Mkdir(allowed, 0o700), os.Mkdir(other, 0o700), os.Symlink(other, link), os.Symlink(allowed, back),
		os.Symlink(filepath.Join(root, "not-yet"), nothing), os.Symlink(allowed, onward), os.WriteFile(filepath.Join(allowed, "file"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for folder, want := range map[string]bool{
		allowed: true, allowed + "/": true, allowed + "/new/one": true, allowed + "/./x": true,
		link + "/new": false, link + "/new/one": false, nothing: false, nothing + "/new": false, onward + "/new": true, allowed + "/file/new": false,
		other: false, root: false, allowed + "-not": false, allowed + "/../other": false, link: false, "allowed": false, "": false, back: false,
	} {
		if inside([]string{allowed}, folder) != want {
			t.Errorf("%s: %v", folder, !want)
		}
	}
	if gone := filepath.Join(root, "gone"); !inside([]string{gone}, filepath.Join(gone, "new")) || inside([]string{gone}, other) {
		t.Error("an allowed folder that does not exist yet allows something else than what will be in it")
	}
	if !inside([]string{back}, back) || !inside([]string{back}, back+"/new") || !inside([]string{"/"}, other) {
		t.Error("an allowed folder that is a link, or the root, allows nothing")
	}
}
