package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// startLimit bounds the whole way from an empty folder to an API that answers. It is generous, as the first start on
// a slow and busy machine reads 150 MB of program from disk.
const startLimit = 3 * time.Minute

// keepLimit is how long a stop that keeps the folder waits for the API server to finish what it writes.
const keepLimit = 3 * time.Second

// options are the command line.
type options struct {
	dir              string
	crds             string
	port             int
	keep             bool
	untilStdinCloses bool
}

func main() {
	var o options
	flag.StringVar(&o.dir, "dir", "", "folder for data, keys and logs (default: a new temporary one)")
	flag.StringVar(&o.crds, "crds", "", "folder with CustomResourceDefinitions to install before the controllers start")
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

// run prepares the folder, starts the three servers one after the other, announces them on out and waits for the end
// of ctx or of a server. It does not wait for the servers' own orderly stop, which takes as long as their slowest
// watch: the process ends right after run returns.
func run(ctx context.Context, o options, out io.Writer) (err error) {
	folder, err := openFolder(o.dir, o.keep)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := folder.close(); err == nil {
			err = closeErr
		}
	}()
	if err := logTo(filepath.Join(folder.path, "controlplane.log")); err != nil {
		return err
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	starting, done := context.WithTimeout(ctx, startLimit)
	defer done()

	etcd, err := startEtcd(starting, folder.path)
	if err != nil {
		return err
	}
	api, err := startAPIServer(ctx, folder.path, o.port)
	if err != nil {
		return err
	}
	if o.keep { // what is thrown away need not be closed
		defer func() {
			cancel()
			api.waitEnd(keepLimit)
			etcd.Server.HardStop()
		}()
	}
	if err := api.waitReady(starting); err != nil {
		return stoppedOr(ctx, err)
	}
	if err := installCRDs(starting, api.config, o.crds); err != nil {
		return stoppedOr(ctx, err)
	}
	controllers, err := startControllers(ctx, api, folder.path)
	if err != nil {
		return err
	}
	if err := waitControllers(starting, api.config, controllers); err != nil {
		return stoppedOr(ctx, err)
	}
	if err := announce(out, folder.path, api.kubeconfig); err != nil {
		return err
	}

	select {
	case <-ctx.Done():
		return nil
	case err := <-api.ended:
		return fmt.Errorf("running the API server: %w", err)
	case err := <-controllers:
		return fmt.Errorf("running the controllers: %w", err)
	}
}

// stoppedOr returns nil when ctx has ended, as being asked to stop while starting is no failure, and err otherwise.
func stoppedOr(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// announce says where the kubeconfig is: in DIR/ready, which appears only now, and then on out.
func announce(out io.Writer, dir, kubeconfig string) error {
	if err := writeFile(filepath.Join(dir, readyFile), []byte(kubeconfig+"\n")); err != nil {
		return fmt.Errorf("announcing the API: %w", err)
	}
	_, err := fmt.Fprintln(out, "KUBECONFIG="+kubeconfig)
	return err
}

// logTo makes a file the standard error of this process, as what the embedded servers log would hide the one line that
// the user waits for, and go on behind the one error that they see. It must come before any server is started.
func logTo(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the log: %w", err)
	}
	os.Stderr = f
	return nil
}
