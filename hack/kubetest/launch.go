package kubetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// crdFolder holds the definitions that are installed, relative to the repository.
// Its kustomization.yaml is no definition and is passed over.
var crdFolder = filepath.Join("config", "crd")

const (
	startLimit = 2 * time.Minute  // from exec to the announcement
	stopLimit  = 10 * time.Second // from the closed pipe to the end
)

// running is a started control plane.
type running struct {
	config     *rest.Config
	kubeconfig string // path
	collects   bool   // garbage is collected and namespaces are emptied
	stop       func() error
}

// launch starts the control plane that the environment asks for.
func launch() (*running, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	if os.Getenv("KUBEBUILDER_ASSETS") != "" {
		return launchAssets(filepath.Join(root, crdFolder))
	}
	program, err := findBinary("controlplane")
	if err != nil {
		return nil, err
	}
	return launchProgram(program, filepath.Join(root, crdFolder))
}

// launchProgram starts hack/controlplane in a temporary folder of its own making.
func launchProgram(program, crds string) (*running, error) {
	cmd := exec.CommandContext(context.Background(), program, "--until-stdin-closes", "--crds", crds)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starting the control plane: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting the control plane: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the control plane: %w", err)
	}
	kubeconfig, err := announcement(stdout, startLimit)
	if err != nil {
		_ = cmd.Process.Kill()
		return nil, errors.Join(err, cmd.Wait())
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		_ = stdin.Close()
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	stop := func() error {
		_ = stdin.Close()
		return waitFor(cmd, stopLimit)
	}
	return &running{config: config, kubeconfig: kubeconfig, collects: true, stop: stop}, nil
}

// announcement reads the line that says where the kubeconfig is.
func announcement(r io.Reader, limit time.Duration) (string, error) {
	type answer struct {
		line string
		err  error
	}
	lines := make(chan answer, 1)
	go func() {
		line, err := bufio.NewReader(io.LimitReader(r, 4096)).ReadString('\n')
		lines <- answer{line, err}
	}()
	select {
	case a := <-lines:
		path, found := strings.CutPrefix(strings.TrimSpace(a.line), "KUBECONFIG=")
		if a.err != nil || !found {
			return "", fmt.Errorf("waiting for the control plane: it said %q (%w)", a.line, a.err)
		}
		return path, nil
	case <-time.After(limit):
		return "", fmt.Errorf("waiting for the control plane: not ready within %s", limit)
	}
}

// waitFor waits for the end of a process and kills it after the limit.
func waitFor(cmd *exec.Cmd, limit time.Duration) error {
	kill := time.AfterFunc(limit, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("stopping the control plane: %w", err)
	}
	return nil
}

// launchAssets starts the etcd and kube-apiserver of KUBEBUILDER_ASSETS.
func launchAssets(crds string) (*running, error) {
	env := &envtest.Environment{CRDDirectoryPaths: []string{crds}, ErrorIfCRDPathMissing: true}
	config, err := env.Start()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting the programs of KUBEBUILDER_ASSETS: %w", err), env.Stop())
	}
	dir, err := os.MkdirTemp("", "kubetest-")
	if err != nil {
		return nil, errors.Join(err, env.Stop())
	}
	kubeconfig := filepath.Join(dir, "kubeconfig")
	stop := func() error { return errors.Join(env.Stop(), os.RemoveAll(dir)) }
	if err := os.WriteFile(kubeconfig, env.KubeConfig, 0o600); err != nil {
		return nil, errors.Join(err, stop())
	}
	return &running{config: config, kubeconfig: kubeconfig, stop: stop}, nil
}
