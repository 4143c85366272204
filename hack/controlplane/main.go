package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// options are the command line.
type options struct {
	dir              string
	crds             string
	auditLog         string
	auditUser        string
	port             int
	keep             bool
	untilStdinCloses bool
}

func main() {
	var o options
	flag.StringVar(&o.dir, "dir", "", "folder for data, keys and logs (default: a new temporary one)")
	flag.StringVar(&o.crds, "crds", "", "folder with CustomResourceDefinitions to install before the controllers start")
	flag.StringVar(&o.auditLog, "audit-log", "", "file for an audit log of the requests of the user that --audit-user names")
	flag.StringVar(&o.auditUser, "audit-user", "", "user whose requests are in the audit log, for example system:serviceaccount:NAMESPACE:NAME")
	flag.IntVar(&o.port, "port", 0, "port of the API on 127.0.0.1 (default: any free one)")
	flag.BoolVar(&o.keep, "keep", false, "leave the folder when stopping; a folder that was kept can be used again")
	flag.BoolVar(&o.untilStdinCloses, "until-stdin-closes", false,
		"also stop when standard input ends, which it does when a parent dies that held the other end")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if o.untilStdinCloses {
		ctx = untilEnd(ctx, os.Stdin)
	}
	stderr := os.Stderr // run gives os.Stderr to the servers
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(stderr, "controlplane:", err)
		os.Exit(1)
	}
}

// untilEnd returns a context that is also cancelled when r ends.
func untilEnd(ctx context.Context, r io.Reader) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, r)
	}()
	return ctx
}
