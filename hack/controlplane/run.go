package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// startLimit bounds the whole way from an empty folder to an API that answers. It is generous, as the first start on
// a slow and busy machine reads 150 MB of program from disk.
const startLimit = 3 * time.Minute

// keepLimit is how long a stop that keeps the folder waits for the API server to finish what it writes.
const keepLimit = 3 * time.Second

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

	starting, started := context.WithTimeout(ctx, startLimit)
	defer started()
	etcd, err := startEtcd(starting, folder.path)
	if err != nil {
		return stoppedOr(ctx, err)
	}
	api, err := startAPIServer(ctx, folder.path, o)
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
	controllers, err := complete(ctx, starting, api, o.crds, folder.path)
	if err != nil {
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

// complete makes of a started API server a control plane: it waits for the server, installs the definitions, and
// starts the controllers, which run until ctx ends. All of it has to happen before starting ends.
func complete(ctx, starting context.Context, api *apiServer, crds, dir string) (<-chan error, error) {
	if err := api.waitReady(starting); err != nil {
		return nil, err
	}
	if err := installCRDs(starting, api.config, crds); err != nil {
		return nil, err
	}
	controllers, err := startControllers(ctx, api, dir)
	if err != nil {
		return nil, err
	}
	return controllers, waitControllers(starting, api.config, controllers)
}

// stoppedOr returns nil when ctx has ended, as being asked to stop while starting is no failure, and err otherwise.
func stoppedOr(ctx context.Context, err error) error {
	select {
	case <-ctx.Done():
		return nil
	default:
		return err
	}
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
