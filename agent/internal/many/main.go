// Command many serves many Tentacles in one process, for benchmarks: real homes, real daemons, real scripts under the
// supervisor of the program that is given. It prints a line of JSON for each, and ends when its input does.
//
//	many -operator THUMBPRINT -dir FOLDER -program TENTACLE [-count N] [-first I] [-port PORT]
//
// The home of machine I is FOLDER/I. With a port, machine I listens on it at a loopback address of its own; without one, at
// any free port of 127.0.0.1.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/mantledeploy/mantle/agent/internal/config"
	"github.com/mantledeploy/mantle/agent/internal/daemon"
	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/api/halibut"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "many:", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	count, first int
	port         uint
	operator     halibut.Thumbprint
	dir, program string
}

func parse(args []string) (options, error) {
	var o options
	set := flag.NewFlagSet("many", flag.ContinueOnError)
	set.IntVar(&o.count, "count", 1, "number of Tentacles")
	set.IntVar(&o.first, "first", 0, "number of the first")
	set.UintVar(&o.port, "port", 0, "port that each listens on at an address of its own")
	set.StringVar(&o.dir, "dir", "", "folder of the homes")
	set.StringVar(&o.program, "program", "", "tentacle program, which runs the scripts")
	set.Func("operator", "thumbprint of the operator that they trust", func(text string) (err error) {
		o.operator, err = halibut.ParseThumbprint(text)
		return err
	})
	if err := set.Parse(args); err != nil {
		return o, fmt.Errorf("reading the flags: %w", err)
	}
	if o.dir == "" || o.program == "" || o.operator == "" {
		return o, errors.New("-operator, -dir and -program are needed")
	}
	return o, nil
}

// address is where a machine listens.
func (o options) address(machine int) string {
	if o.port == 0 {
		return "127.0.0.1:0"
	}
	n := machine + 1
	return fmt.Sprintf("127.%d.%d.%d:%d", 100+n>>16, n>>8&0xff, n&0xff, o.port)
}

func run(args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	var served sync.WaitGroup
	defer served.Wait()
	for machine := o.first; machine < o.first+o.count && ctx.Err() == nil; machine++ {
		h, pin, err := prepare(filepath.Join(o.dir, strconv.Itoa(machine)), o.address(machine), o.operator)
		if err != nil {
			stop()
			return err
		}
		served.Go(func() { serve(ctx, machine, h, pin, o.program) })
	}
	return nil
}

// printing keeps lines whole.
var printing sync.Mutex

func serve(ctx context.Context, machine int, h home.Home, pin halibut.Thumbprint, program string) {
	err := daemon.Run(ctx, daemon.Options{Home: h, Executable: program, Version: "benchmark", Log: os.Stderr,
		Sources: config.Sources{Env: func(string) (string, bool) { return "", false }},
		Listening: func(at net.Addr) {
			printing.Lock()
			defer printing.Unlock()
			_ = json.NewEncoder(os.Stdout).Encode(map[string]any{"machine": machine, "address": at.String(), "thumbprint": pin})
		}})
	if err != nil {
		fmt.Fprintln(os.Stderr, "many:", err)
	}
}
