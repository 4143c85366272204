package process

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestACallComesBackAsItWasAndOnce(t *testing.T) {
	for name, want := range map[string]Content{
		"with secrets":       {Plan: []byte("{\n}"), Secrets: []byte("[\"\"]")},
		"without":            {Plan: []byte("{}")},
		"with none of them":  {Plan: []byte("{}"), Secrets: []byte{}},
		"that was not taken": {Plan: []byte{}, Problem: "too long"},
	} {
		dir := t.TempDir()
		file, err := StageCall(dir, want)
		if err != nil {
			t.Fatal(err)
		}
		_ = file.Close()
		got, err := takeCall(dir)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
		if _, err := takeCall(dir); err == nil || Marked(dir, CallFile) {
			t.Errorf("%s: it is there twice", name)
		}
	}
}

func TestACallThatIsNotWholeIsNotCarriedOut(t *testing.T) {
	dir := t.TempDir()
	file, err := StageCall(dir, Content{Plan: []byte("{\"a\":1}"), Secrets: []byte("[]")})
	if err != nil {
		t.Fatal(err)
	}
	_ = file.Close()
	whole, err := os.ReadFile(filepath.Join(dir, CallFile))
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if _, err := parseCall(whole[:n]); err == nil {
			t.Errorf("%d of %d bytes are taken", n, len(whole))
		}
		torn := bytes.Clone(whole)
		torn[n] = 0
		if _, err := parseCall(torn); err == nil {
			t.Errorf("it is taken with a zero at %d", n)
		}
	}
}

func FuzzParseCall(f *testing.F) {
	f.Add([]byte(`{"version":1,"plan":2,"secrets":2,"sum":0}` + "\n{}[]"))
	f.Add([]byte(`{"version":1,"plan":-1,"secrets":9223372036854775807}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseCall(data)
		if err == nil && len(c.Plan)+len(c.Secrets) > len(data) {
			t.Error("more came out than went in")
		}
	})
}
