package main

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"

	"go.etcd.io/etcd/server/v3/embed"
)

// etcdSocket is the socket on which etcd serves, relative to the folder. Whoever can open it can read every Secret, so
// it lies behind the folder's permissions instead of on a port.
const etcdSocket = "etcd.sock"

// maxSocketPath is the longest path that every system takes for a Unix socket.
const maxSocketPath = 100

// etcdURL is where the API server finds etcd.
func etcdURL(dir string) url.URL {
	return url.URL{Scheme: "unix", Path: filepath.Join(dir, etcdSocket)}
}

// startEtcd starts etcd on a socket in dir and returns when it serves. It does not sync to disk: what it holds may be
// lost when the machine, though not when the process, goes down.
func startEtcd(ctx context.Context, dir string) (*embed.Etcd, error) {
	client, peer := etcdURL(dir), url.URL{Scheme: "unix", Path: filepath.Join(dir, "peer.sock")}
	if len(client.Path) > maxSocketPath {
		return nil, fmt.Errorf("the path of the folder is too long for a socket in it: %s", dir)
	}
	c := embed.NewConfig()
	c.Dir = filepath.Join(dir, "etcd")
	c.ListenClientUrls, c.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	c.ListenPeerUrls, c.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	c.UnsafeNoFsync = true
	c.LogLevel = "error"
	c.LogOutputs = []string{filepath.Join(dir, "controlplane.log")}
	e, err := embed.StartEtcd(c)
	if err != nil {
		return nil, fmt.Errorf("starting etcd: %w", err)
	}
	select {
	case <-e.Server.ReadyNotify():
		return e, nil
	case <-ctx.Done():
		e.Server.HardStop()
		return nil, fmt.Errorf("waiting for etcd: %w", context.Cause(ctx))
	}
}
