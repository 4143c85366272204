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
	return run(t, append([]string{"./kubectl-mantle"}, args...)...)
}

func run(t *testing.T, command ...string) (asked, printed string, err error) {
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
		if strings.Contains(r.URL.Path, "/evil") {
			fmt.Fprintln(w, "red \x1b[31mtext\tcaf\u00e9\u009b2J\x7f")
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
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	out, err := cmd.Output()
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

// What a machine prints does not act on the terminal of who reads it, unless that is asked for.
func TestATerminalGetsNoControlCharacters(t *testing.T) {
	if _, err := exec.LookPath("script"); err != nil {
		t.Skip("there is no script(1)")
	}
	for args, want := range map[string]string{"logs evil": "red [31mtext\tcaf\u00e92J\n", "logs -r evil": "red \x1b[31mtext\tcaf\u00e9\u009b2J\x7f\n"} {
		_, printed, err := run(t, "script", "-qec", "./kubectl-mantle "+args, "/dev/null")
		if got := strings.ReplaceAll(printed, "\r\n", "\n"); err != nil || got != want {
			t.Errorf("%s: printed %q, %v, want %q", args, got, err, want)
		}
	}
	if _, printed, err := plugin(t, "logs", "evil"); err != nil || !strings.Contains(printed, "\x1b[31m") {
		t.Errorf("into a file: printed %q, %v", printed, err)
	}
}
