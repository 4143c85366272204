package files

import (
	"context"
	"crypto/x509"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mantledeploy/mantle/agent/internal/owners"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
)

// as is the context of a call of an operator's.
func as(t *testing.T, operator string) context.Context {
	t.Helper()
	return halibut.WithPeer(t.Context(), halibut.Peer{Certificate: &x509.Certificate{Raw: []byte(operator)}})
}

// A content is given to the operators that have sent it, and to no other that knows its digest.
func TestAContentIsForThoseWhoHaveSentIt(t *testing.T) {
	s, h := newStore(t)
	path := step.ContentPath(strings.Repeat("a1", 32), step.FormatTar)
	send := func(operator, content string) {
		t.Helper()
		if _, err := s.UploadFile(as(t, operator), path, stream(content)); err != nil {
			t.Fatal(err)
		}
	}
	want := func(operator, content string) {
		t.Helper()
		for _, spelling := range []string{path, "./" + path, strings.ReplaceAll(path, "/", `\`), filepath.Join(h.Dir(), filepath.FromSlash(path))} {
			d, err := s.DownloadFile(as(t, operator), spelling)
			switch {
			case err != nil:
				t.Errorf("%s, %s: %v", operator, spelling, err)
			case (d != nil) != (content != ""):
				t.Errorf("%s, %s: found %v", operator, spelling, d != nil)
			case d != nil && d.Len() != int64(len(content)):
				t.Errorf("%s, %s: %d bytes", operator, spelling, d.Len())
			}
		}
	}
	send("first", "the content")
	want("first", "the content")
	want("second", "")
	send("second", "the content") // has it too, so nothing is taken from anybody
	want("first", "the content")
	want("second", "the content")
	send("third", "something else")
	want("third", "something else")
	want("first", "")
	send("first", "the content")
	want("first", "the content")
	want("third", "")
	write(t, filepath.Join(h.Dir(), "Files", "other"), "for all")
	if d, err := s.DownloadFile(as(t, "second"), "Files/other"); err != nil || d == nil {
		t.Errorf("what is no content: %v, %v", d, err)
	}
	if mark, ok := owners.MarkOf(owners.File("x")); !ok || mark != owners.Mark("x") || mark == owners.Mark("y") {
		t.Error("marks do not tell operators apart")
	}
}
