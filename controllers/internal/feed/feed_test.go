package feed

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRefused(t *testing.T) {
	f := New(Config{DenyAddresses: []netip.Addr{netip.MustParseAddr("10.96.0.1")}})
	for raw, want := range map[string]string{
		"file:///etc/passwd":                       "file: is disabled",
		"http://example.com/a.tar.gz":              "only https",
		"https://user:secret@example.com/a.tgz":    "credentials",
		"https://127.0.0.1/a":                      "loopback",
		"https://[::1]/a":                          "loopback",
		"https://[::ffff:127.0.0.1]/a":             "loopback",
		"https://0.0.0.0/a":                        "loopback",
		"https://169.254.169.254/latest/meta-data": "link-local",
		"https://[fe80::1]/a":                      "link-local",
		"https://10.96.0.1/api":                    "API server",
		"https://localhost:9/a":                    "loopback",
		"https://kubernetes.default.svc/a":         "inside the cluster",
		"https://x.y.svc.cluster.local./a":         "--package-allow-cidr",
		"ftp://example.com/a":                      "only https",
		"https:///a":                               "no host",
	} {
		err := f.Fetch(context.Background(), raw, &bytes.Buffer{})
		var refused *RefusedError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want a refusal that says %q", raw, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the message tells the password: %v", raw, err)
		}
	}
}

func server(t *testing.T, h http.HandlerFunc, config Config) (*Fetcher, string) {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	config.AllowCIDRs = append(config.AllowCIDRs, netip.MustParsePrefix("127.0.0.1/32"))
	f := New(config)
	transport := f.transport()
	transport.TLSClientConfig = s.Client().Transport.(*http.Transport).TLSClientConfig
	f.client.Transport = transport
	return f, s.URL
}

func TestFetch(t *testing.T) {
	f, base := server(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ok":
			_, _ = w.Write([]byte("content"))
		case "/away":
			http.Redirect(w, r, "http://example.com/", http.StatusFound)
		case "/inside":
			http.Redirect(w, r, "https://127.0.0.2/ok", http.StatusFound)
		case "/large":
			_, _ = w.Write(make([]byte, 200))
		default:
			http.NotFound(w, r)
		}
	}, Config{MaxBytes: 100})
	var got bytes.Buffer
	if err := f.Fetch(context.Background(), base+"/ok?token=abc", &got); err != nil || got.String() != "content" {
		t.Fatalf("%q, %v", got.String(), err)
	}
	for path, want := range map[string]string{"/away": "left https", "/inside": "loopback", "/large": "larger", "/none?token=abc": "404"} {
		err := f.Fetch(context.Background(), base+path, &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "abc") {
			t.Errorf("%s: %v, want %q and no token", path, err, want)
		}
	}
}

func TestFileIsConfined(t *testing.T) {
	root := t.TempDir()
	outside := filepath.Join(t.TempDir(), "secret")
	for name, content := range map[string]string{filepath.Join(root, "a.tar.gz"): "a", outside: "b"} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	f := New(Config{Root: root})
	var got bytes.Buffer
	if err := f.Fetch(context.Background(), "file://"+root+"/a.tar.gz", &got); err != nil || got.String() != "a" {
		t.Fatalf("%q, %v", got.String(), err)
	}
	for _, path := range []string{outside, root + "/../" + filepath.Base(filepath.Dir(outside)) + "/secret", root + "/link", root, root + "/none"} {
		if err := f.Fetch(context.Background(), "file://"+path, &bytes.Buffer{}); err == nil {
			t.Errorf("%s was read", path)
		}
	}
}
