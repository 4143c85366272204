// Package kubectl tests the plugin of kubectl that reads the output of runs.
package kubectl

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// plugin runs it with a kubectl that forwards to a server, and answers what it prints.
func plugin(t *testing.T, args ...string) (asked, printed string, err error) {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("there is no curl")
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.Header.Get("Authorization") + " " + r.URL.String()
		if strings.Contains(r.URL.Path, "/missing") {
			http.Error(w, "RunNotFound: there is no DeploymentRun missing", http.StatusNotFound)
			return
		}
		fmt.Fprintln(w, "the output")
	}))
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.StartTLS()
	defer server.Close()
	dir := t.TempDir()
	const kubectl = `#!/bin/sh
case "$1 $2" in
"config view") echo shop ;;
"create token") echo "token-of-$3-in-$5" ;;
"port-forward -n") echo "Forwarding from %s -> 8443"; exec sleep 60 ;;
esac
`
	if err := os.WriteFile(filepath.Join(dir, "kubectl"), fmt.Appendf(nil, kubectl, server.Listener.Addr()), 0o700); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "./kubectl-mantle", args...)
	command.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	out, err := command.Output()
	return asked, string(out), err
}

func TestThePluginAsksForWhatIsNamed(t *testing.T) {
	for _, c := range []struct{ args, asked string }{
		{"logs shop-1", "Bearer token-of-default-in-shop /logs/shop/shop-1?"},
		{"logs -n bank -a reader shop-1 web-1", "Bearer token-of-reader-in-bank /logs/bank/shop-1/web-1?"},
		{"logs -f -t shop-1 web-1 web/smoke", "Bearer token-of-default-in-shop /logs/shop/shop-1/web-1/web/smoke?follow=true&timestamps=true"},
	} {
		asked, printed, err := plugin(t, strings.Fields(c.args)...)
		if err != nil || asked != c.asked || printed != "the output\n" {
			t.Errorf("%s: asked %q, printed %q, %v", c.args, asked, printed, err)
		}
	}
	if _, printed, err := plugin(t, "logs", "missing"); err == nil || !strings.HasPrefix(printed, "RunNotFound: ") {
		t.Errorf("of a run that is not there: %q, %v", printed, err)
	}
	if asked, _, err := plugin(t, "logs"); err == nil || asked != "" {
		t.Errorf("without a run: asked %q, %v", asked, err)
	}
}
