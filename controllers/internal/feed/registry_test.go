package feed

import (
	"bytes"
	"compress/gzip"
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestPackageURLEscapesTheVersion(t *testing.T) {
	if got := Expand(Ref{ID: "https://x/web-{version}.tgz", Version: "1.0.0+a"}); got != "https://x/web-1.0.0+a.tgz" {
		t.Error(got)
	}
	if got := Expand(Ref{ID: "https://x/{version}/web-{version}.tgz", Version: "../1"}); got != "https://x/..%2F1/web-..%2F1.tgz" {
		t.Error(got)
	}
}

// Web servers take an encoding from a file's name. The package is the file, and so is what its digest is of.
func TestAFileThatIsLabelledAsEncodedIsTakenAsItIsPublished(t *testing.T) {
	var published bytes.Buffer
	z := gzip.NewWriter(&published)
	_, _ = z.Write([]byte("a tar"))
	_ = z.Close()
	asked := make(chan string, 1)
	f, base := server(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Header.Get("Accept-Encoding")
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(published.Bytes())
	}, Config{})
	var got bytes.Buffer
	if err := (Registry{TypeURL: URLs{f}}).Fetch(t.Context(), Ref{ID: base + "/app-{version}.tar.gz", Version: "1.0.0"}, &got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), published.Bytes()) {
		t.Errorf("%q was taken, not the file", got.Bytes())
	}
	if encoding := <-asked; encoding != "identity" {
		t.Errorf("asked for the encoding %q", encoding)
	}
}

func TestAFeedThatIsNotThereIsRefused(t *testing.T) {
	r := Registry{TypeURL: URLs{New(Config{})}}
	for says, ref := range map[string]Ref{
		"no feed nuget": {Feed: "nuget", ID: "web"},
		"only https":    {ID: "ftp://example.com/a"},
	} {
		for _, err := range []error{r.Check(ref), r.Fetch(t.Context(), ref, &bytes.Buffer{})} {
			var refused *RefusedError
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), says) {
				t.Errorf("%v, want a refusal that says %q", err, says)
			}
		}
	}
}
