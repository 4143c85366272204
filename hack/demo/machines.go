package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// machineCount is how many machines the demo has.
const machineCount = 3

// freeAddress is a port of the host that nobody has.
func freeAddress(host string) (string, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0")) //nolint:noctx // asks for a free port
	if err != nil {
		return "", fmt.Errorf("looking for a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// machineAddress is 127.0.0.1n:port where the system has such addresses and the port is free, else a port of 127.0.0.1.
func machineAddress(n int, port string) (string, error) {
	want := net.JoinHostPort(fmt.Sprintf("127.0.0.%d", 10+n), port)
	l, err := net.Listen("tcp", want) //nolint:noctx // asks whether the port is free
	if err != nil {
		return freeAddress("127.0.0.1")
	}
	return want, l.Close()
}

// tentacle makes a home that trusts the operator, starts the daemon, and gives the manifest of its target.
func (s *scene) tentacle(ctx context.Context, n int, operator string) (string, error) {
	name := "web-" + strconv.Itoa(n)
	home := s.Path(name)
	address, err := machineAddress(n, "10933")
	if err != nil {
		return "", err
	}
	if _, err := s.run(ctx, "tentacle", "init", "--home", home, "--listen", address, "--trust", operator); err != nil {
		return "", err
	}
	shown, err := s.run(ctx, "tentacle", "show", "--json", "--home", home)
	if err != nil {
		return "", err
	}
	var identity map[string]any
	if err := json.Unmarshal([]byte(shown), &identity); err != nil {
		return "", fmt.Errorf("reading what `tentacle show` says: %w", err)
	}
	pin, ok := identity["sha256"].(string)
	if !ok {
		return "", errors.New("`tentacle show --json` tells no sha256 thumbprint")
	}
	daemon := exec.CommandContext(context.WithoutCancel(ctx), s.Program("tentacle"), "run", "--home", home)
	daemon.Env = append(os.Environ(), s.Mark())
	if _, err := s.Start(name, daemon); err != nil {
		return "", err
	}
	shop, err := machineAddress(n, "8080")
	if err != nil {
		return "", err
	}
	s.shops = append(s.shops, shop)
	return fmt.Sprintf("apiVersion: mantle.dev/v1alpha1\nkind: DeploymentTarget\nmetadata: {name: %s, namespace: shop}\nspec:\n  address: %s\n  thumbprint: %s\n  environments: [production]\n  roles: [web]\n",
		name, address, pin), nil
}

// run runs a program of ours to its end and gives what it printed.
func (s *scene) run(ctx context.Context, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, s.Program(program), args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", program, args[0], err, stderr.String())
	}
	return string(out), nil
}

// pack builds a version of the web service and packages it.
func (s *scene) pack(ctx context.Context, version, broken string) error {
	program := s.Path("build", version, "shop")
	if err := os.MkdirAll(s.Path("build"), 0o700); err != nil {
		return fmt.Errorf("making the build's folder: %w", err)
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "-ldflags", "-s -w -X 'main.version="+version+"' -X 'main.broken="+broken+"'", "./hack/demo/shop")
	build.Dir = s.Root
	build.Env = append(os.Environ(), "GOTMPDIR="+s.Path("build")) // so that nothing stays when it is cut off
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building shop %s: %w: %s", version, err, out)
	}
	if err := os.MkdirAll(s.Path("packages"), 0o700); err != nil {
		return fmt.Errorf("making the package folder: %w", err)
	}
	file, err := os.Create(s.Path("packages", "shop-"+version+".tar.gz"))
	if err != nil {
		return fmt.Errorf("making the package: %w", err)
	}
	defer file.Close()
	content, err := os.ReadFile(program)
	if err != nil {
		return fmt.Errorf("reading the program: %w", err)
	}
	zipped, err := gzip.NewWriterLevel(file, gzip.BestSpeed)
	if err != nil {
		return fmt.Errorf("packing: %w", err)
	}
	archive := tar.NewWriter(zipped)
	header := &tar.Header{Name: "shop", Mode: 0o755, Size: int64(len(content)), ModTime: time.Unix(0, 0)}
	write := archive.WriteHeader(header)
	if write == nil {
		_, write = archive.Write(content)
	}
	return errors.Join(write, archive.Close(), zipped.Close())
}
