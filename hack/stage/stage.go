package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// stage is what the story is played on: the processes and their folder.
type stage struct {
	say        *teller
	root, dir  string
	kubeconfig string
	logs       string // where the operator serves logs
	token      string // of somebody who may read them
	machines   []string
	shops      []string
	processes  []*process // the control plane is the first
	pipes      []io.Closer
}

func newStage(say *teller) (*stage, error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("finding the repository: %w", err)
	}
	if _, err := os.Stat(filepath.Join(root, "config", "crd")); err != nil {
		return nil, errors.New("run the demo from the repository's root: make demo")
	}
	dir, err := os.MkdirTemp("", "mantle-demo-")
	if err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	return &stage{say: say, root: root, dir: dir}, nil
}

func (s *stage) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// mark is a variable in the environment of all that runs on the demo's machines.
func (s *stage) mark() string { return "DEMO_STAGE=" + s.dir }

func (s *stage) binFolder() string { return filepath.Join(s.root, "bin") }

// program is a program that make has built; make tells where by an environment variable.
func (s *stage) program(name string) string {
	if path := os.Getenv("MANTLE_" + strings.ToUpper(name)); path != "" {
		return path
	}
	return filepath.Join(s.binFolder(), name)
}

// controlPlane starts the Kubernetes API with our kinds in it.
func (s *stage) controlPlane(ctx context.Context) error {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), s.program("controlplane"), "--until-stdin-closes", "--dir", s.path("kubernetes"), "--crds", filepath.Join(s.root, "config", "crd"))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("starting the Kubernetes API: %w", err)
	}
	s.pipes = append(s.pipes, stdin)
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("starting the Kubernetes API: %w", err)
	}
	s.pipes = append(s.pipes, r)
	cmd.Stdout = w
	p, err := s.start("controlplane", cmd)
	_ = w.Close() // the child has its own
	if err != nil {
		return err
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
	case s.kubeconfig = <-found:
		return nil
	case <-p.done:
		return s.alive()
	case <-time.After(time.Minute):
		return errors.New("the Kubernetes API did not come up within a minute")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// command is kubectl as an administrator, without the settings and caches of whoever runs the demo.
func (s *stage) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.program("kubectl"), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+s.kubeconfig, "KUBECACHEDIR="+s.path("kubectl"), "KUBERC=off")
	return cmd
}

// kubectl runs kubectl and gives what it printed.
func (s *stage) kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := s.command(ctx, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

// show runs kubectl and shows both what was typed and what was seen.
func (s *stage) show(ctx context.Context, args ...string) error {
	seen, err := s.kubectl(ctx, "", args...)
	if err == nil {
		s.say.command("kubectl "+strings.Join(args, " "), seen)
	}
	return err
}

// operator starts the operator with exactly its ServiceAccount's rights.
func (s *stage) operator(ctx context.Context) error {
	if _, err := s.kubectl(ctx, "", "create", "namespace", "mantle-system"); err != nil {
		return err
	}
	if _, err := s.kubectl(ctx, "", "apply", "-k", filepath.Join(s.root, "config", "rbac")); err != nil {
		return err
	}
	account, err := s.account(ctx)
	if err != nil {
		return err
	}
	if s.logs, err = freeAddress("127.0.0.1"); err != nil {
		return err
	}
	_, err = s.start("operator", exec.CommandContext(context.WithoutCancel(ctx), s.program("operator"), "--kubeconfig", account, "--namespace", "mantle-system", "--leader-elect",
		"--data-dir", s.path("operator"), "--package-root", s.path("packages"), "--target-allow-cidr", "127.0.0.0/8", "--metrics-bind-address", s.logs, "--health-probe-bind-address", "0"))
	return err
}

// account writes a kubeconfig of the operator's ServiceAccount and gives its path.
func (s *stage) account(ctx context.Context) (string, error) {
	token, err := s.kubectl(ctx, "", "create", "token", "mantle", "-n", "mantle-system")
	if err != nil {
		return "", err
	}
	file, err := clientcmd.LoadFromFile(s.kubeconfig)
	if err != nil {
		return "", fmt.Errorf("reading the kubeconfig: %w", err)
	}
	file.AuthInfos = map[string]*clientcmdapi.AuthInfo{"operator": {Token: strings.TrimSpace(token)}}
	for _, c := range file.Contexts {
		c.AuthInfo = "operator"
	}
	path := s.path("operator.kubeconfig")
	if err := clientcmd.WriteToFile(*file, path); err != nil {
		return "", fmt.Errorf("writing the operator's kubeconfig: %w", err)
	}
	return path, nil
}
