package stage

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// The operator's own namespace, and its user in the API server's eyes.
const (
	OperatorNamespace = "mantle-system"
	OperatorUser      = "system:serviceaccount:" + OperatorNamespace + ":mantle"
)

// ControlPlane starts the Kubernetes API with our kinds in it, and waits until it answers. args are further arguments of
// hack/controlplane.
func (s *Stage) ControlPlane(ctx context.Context, args ...string) (*Process, error) {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), s.Program("controlplane"), append(args,
		"--until-stdin-closes", "--dir", s.Path("kubernetes"), "--crds", filepath.Join(s.Root, "config", "crd"))...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starting the Kubernetes API: %w", err)
	}
	s.pipes = append(s.pipes, stdin)
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("starting the Kubernetes API: %w", err)
	}
	s.pipes = append(s.pipes, r)
	cmd.Stdout = w
	p, err := s.Start("controlplane", cmd)
	_ = w.Close() // the child has its own
	if err != nil {
		return nil, err
	}
	found := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			if path, ok := strings.CutPrefix(lines.Text(), "KUBECONFIG="); ok {
				found <- path
				return
			}
		}
	}()
	select {
	case s.Kubeconfig = <-found:
		return p, nil
	case <-p.done:
		return nil, s.Alive()
	case <-time.After(time.Minute):
		return nil, errors.New("the Kubernetes API did not come up within a minute")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Command is kubectl as an administrator, without the settings and caches of whoever runs this.
func (s *Stage) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.Program("kubectl"), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+s.Kubeconfig, "KUBECACHEDIR="+s.Path("kubectl"), "KUBERC=off")
	return cmd
}

// Kubectl runs kubectl and gives what it printed.
func (s *Stage) Kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := s.Command(ctx, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

// Operator starts the operator with exactly its ServiceAccount's rights. args are further flags.
func (s *Stage) Operator(ctx context.Context, args ...string) (*Process, error) {
	if _, err := s.Kubectl(ctx, "", "create", "namespace", OperatorNamespace); err != nil {
		return nil, err
	}
	if _, err := s.Kubectl(ctx, "", "apply", "-k", filepath.Join(s.Root, "config", "rbac")); err != nil {
		return nil, err
	}
	account, err := s.account(ctx)
	if err != nil {
		return nil, err
	}
	return s.replica(ctx, "operator", account, args)
}

// Standby starts another replica of the operator, after Operator, with the same rights and a folder of its own.
func (s *Stage) Standby(ctx context.Context, args ...string) (*Process, error) {
	return s.replica(ctx, "standby", s.accountFile(), args)
}

func (s *Stage) replica(ctx context.Context, name, account string, args []string) (*Process, error) {
	return s.Start(name, exec.CommandContext(context.WithoutCancel(ctx), s.Program("operator"), append([]string{
		"--kubeconfig", account, "--namespace", OperatorNamespace, "--leader-elect", "--data-dir", s.Path(name),
		"--target-allow-cidr", "127.0.0.0/8", "--health-probe-bind-address", "0"}, args...)...))
}

func (s *Stage) accountFile() string { return s.Path("operator.kubeconfig") }

// account writes a kubeconfig of the operator's ServiceAccount, good for a day, and gives its path.
func (s *Stage) account(ctx context.Context) (string, error) {
	token, err := s.Kubectl(ctx, "", "create", "token", "mantle", "-n", OperatorNamespace, "--duration=24h")
	if err != nil {
		return "", err
	}
	file, err := clientcmd.LoadFromFile(s.Kubeconfig)
	if err != nil {
		return "", fmt.Errorf("reading the kubeconfig: %w", err)
	}
	file.AuthInfos = map[string]*clientcmdapi.AuthInfo{"operator": {Token: strings.TrimSpace(token)}}
	for _, c := range file.Contexts {
		c.AuthInfo = "operator"
	}
	path := s.accountFile()
	if err := clientcmd.WriteToFile(*file, path); err != nil {
		return "", fmt.Errorf("writing the operator's kubeconfig: %w", err)
	}
	return path, nil
}
