// Command shop is the small web service that the demo deploys: it greets, and says whether it is well.
package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"
)

// version and broken are set when the demo packages a release.
var (
	version = "0.0.0"
	broken  = ""
)

// patience is how long the service waits for its predecessor to leave the port, and the check for the service to answer.
const patience = 10 * time.Second

// versionHeader is where the service says which version answers.
const versionHeader = "Shop-Version"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "serve":
		return serve(args[1])
	case len(args) == 2 && args[0] == "check":
		return check(os.Stdout, args[1])
	default:
		return errors.New("usage: shop serve ADDRESS | shop check URL")
	}
}

func serve(address string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		key := sha256.Sum256([]byte(os.Getenv("SHOP_KEY")))
		_, _ = fmt.Fprintf(w, "%s from shop %s (a key with the digest %x…)\n", os.Getenv("GREETING"), version, key[:4])
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(versionHeader, version)
		if broken != "" {
			http.Error(w, broken, http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	l, err := listen(address)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	return server.Serve(l)
}

// listen opens the port, which a predecessor that was told to end may hold for a moment.
func listen(address string) (net.Listener, error) {
	for deadline := time.Now().Add(patience); ; <-time.After(20 * time.Millisecond) {
		l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
		if !errors.Is(err, syscall.EADDRINUSE) || time.Now().After(deadline) {
			return l, err
		}
	}
}

// check asks this version of the service whether it is well, for as long as it does not answer.
func check(out io.Writer, url string) error {
	client := &http.Client{Timeout: 2 * time.Second}
	for deadline := time.Now().Add(patience); ; <-time.After(20 * time.Millisecond) {
		again, err := asked(client, url)
		if err == nil {
			fmt.Fprintln(out, "the smoke test passed")
			return nil
		}
		if !again || time.Now().After(deadline) {
			return err
		}
	}
}

// asked asks once, and says whether to ask again.
func asked(client *http.Client, url string) (again bool, err error) {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil) //nolint:gosec // the address is the caller's own
	if err != nil {
		return false, fmt.Errorf("building the request: %w", err)
	}
	response, err := client.Do(request) //nolint:gosec // the address is the caller's own
	if err != nil {
		return true, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	if err != nil {
		return true, err
	}
	if found := response.Header.Get(versionHeader); found != version {
		return true, fmt.Errorf("GET %s: version %q answers instead of %s", url, found, version)
	}
	if response.StatusCode != http.StatusOK {
		return false, fmt.Errorf("GET %s: %s: %s", url, response.Status, strings.TrimSpace(string(body)))
	}
	return false, nil
}
