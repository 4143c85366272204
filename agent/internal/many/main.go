// Command many serves many Tentacles in one process, for benchmarks: real homes, real daemons, real scripts under the
// supervisor of the program that is given. It prints a line of JSON for each, and ends when its input does.
//
//	many COUNT OPERATOR-THUMBPRINT FOLDER TENTACLE-PROGRAM
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/mantledeploy/mantle/agent/internal/config"
	"github.com/mantledeploy/mantle/agent/internal/daemon"
	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/trust"
	"github.com/mantledeploy/mantle/api/halibut"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "many:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 4 {
		return errors.New("give COUNT OPERATOR-THUMBPRINT FOLDER TENTACLE-PROGRAM")
	}
	count, err := strconv.Atoi(args[0])
	if err != nil {
		return fmt.Errorf("COUNT: %w", err)
	}
	operator, err := halibut.ParseThumbprint(args[1])
	if err != nil {
		return fmt.Errorf("OPERATOR-THUMBPRINT: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	var served sync.WaitGroup
	for i := range count {
		h, pin, err := prepare(filepath.Join(args[2], strconv.Itoa(i)), operator)
		if err != nil {
			stop()
			return err
		}
		served.Go(func() { serve(ctx, h, pin, args[3]) })
	}
	served.Wait()
	return nil
}

// prepare makes a home that trusts the operator.
func prepare(dir string, operator halibut.Thumbprint) (home.Home, halibut.Thumbprint, error) {
	h, err := home.Create(dir)
	if err != nil {
		return h, "", fmt.Errorf("making the home: %w", err)
	}
	certificate, key, err := halibut.NewIdentity("Mantle Tentacle", halibut.ECDSA)
	if err != nil {
		return h, "", fmt.Errorf("making the identity: %w", err)
	}
	c := config.Default()
	c.Listen = "127.0.0.1:0"
	c.LogLevel = "error"
	if err := errors.Join(home.WriteFile(h.Certificate(), certificate), home.WriteFile(h.Key(), key), home.WriteFile(h.Config(), c.Format())); err != nil {
		return h, "", fmt.Errorf("writing the state: %w", err)
	}
	list, err := trust.Open(h, slog.New(slog.DiscardHandler))
	if err != nil {
		return h, "", fmt.Errorf("opening the trust: %w", err)
	}
	if _, err := list.Add(operator); err != nil {
		return h, "", fmt.Errorf("trusting the operator: %w", err)
	}
	id, err := daemon.LoadIdentity(h)
	if err != nil {
		return h, "", fmt.Errorf("reading the identity: %w", err)
	}
	return h, id.SHA256, nil
}

// printing keeps lines whole.
var printing sync.Mutex

func serve(ctx context.Context, h home.Home, pin halibut.Thumbprint, program string) {
	err := daemon.Run(ctx, daemon.Options{Home: h, Executable: program, Version: "benchmark", Log: os.Stderr,
		Sources: config.Sources{Env: func(string) (string, bool) { return "", false }},
		Listening: func(at net.Addr) {
			printing.Lock()
			defer printing.Unlock()
			_ = json.NewEncoder(os.Stdout).Encode(map[string]string{"address": at.String(), "thumbprint": string(pin)})
		}})
	if err != nil {
		fmt.Fprintln(os.Stderr, "many:", err)
	}
}
