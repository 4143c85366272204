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
	"time"
)

// version and broken are set when the demo packages a release.
var (
	version = "0.0.0"
	broken  = ""
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 2 && args[0] == "check" {
		return check(args[1])
	}
	if len(args) != 2 || args[0] != "serve" {
		return errors.New("usage: shop serve ADDRESS | shop check URL")
	}
	key := os.Getenv("SHOP_KEY")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, "%s from shop %s (key %x)\n", os.Getenv("GREETING"), version, sha256.Sum256([]byte(key)))
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if broken != "" {
			http.Error(w, broken, http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", args[1])
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	return server.Serve(l)
}

// check asks the service whether it is well, for at most five seconds.
func check(url string) error {
	client := &http.Client{Timeout: time.Second}
	var last error
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil) //nolint:gosec // the address is the caller's own
		if err != nil {
			return fmt.Errorf("building the request: %w", err)
		}
		response, err := client.Do(request) //nolint:gosec // the address is the caller's own
		if err != nil {
			last = err
			<-time.After(50 * time.Millisecond)
			continue
		}
		body, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10))
		_ = response.Body.Close()
		if response.StatusCode == http.StatusOK {
			fmt.Println("the smoke test passed")
			return nil
		}
		return fmt.Errorf("GET %s: %s: %s", url, response.Status, body)
	}
	return last
}
