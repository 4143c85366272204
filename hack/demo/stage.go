package main

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
)

// stage is what the story is played on: the processes and their folder.
type stage struct {
	say        *teller
	root, dir  string
	kubeconfig string
	logs       string // where the operator serves logs
	machines   []string
	shops      []string
	processes  []*exec.Cmd
	pipes      []interface{ Close() error }
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

func (s *stage) binFolder() string { return filepath.Join(s.root, "bin") }

// program is a program that make has built; make tells where by an environment variable.
func (s *stage) program(name string) string {
	if path := os.Getenv("MANTLE_" + strings.ToUpper(name)); path != "" {
		return path
	}
	return filepath.Join(s.binFolder(), name)
}

// start runs a program until the demo ends, with its output in a file.
func (s *stage) start(name string, cmd *exec.Cmd) error {
	log, err := os.Create(s.path(name + ".log"))
	if err != nil {
		return fmt.Errorf("making a log: %w", err)
	}
	defer log.Close()
	cmd.Stderr = log
	if cmd.Stdout == nil {
		cmd.Stdout = log
	}
	dieWithUs(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", name, err)
	}
	s.processes = append(s.processes, cmd)
	return nil
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
	defer w.Close()
	cmd.Stdout = w
	if err := s.start("controlplane", cmd); err != nil {
		return err
	}
	found := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			if path, ok := strings.CutPrefix(lines.Text(), "KUBECONFIG="); ok {
				found <- path
			}
		}
	}()
	select {
	case s.kubeconfig = <-found:
		return nil
	case <-time.After(time.Minute):
		return fmt.Errorf("the Kubernetes API did not come up within a minute; its log is %s", s.path("controlplane.log"))
	case <-ctx.Done():
		return ctx.Err()
	}
}

// kubectl runs kubectl as an administrator.
func (s *stage) kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, s.program("kubectl"), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+s.kubeconfig)
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
	token, err := s.kubectl(ctx, "", "create", "token", "mantle", "-n", "mantle-system")
	if err != nil {
		return err
	}
	account := s.path("operator.kubeconfig")
	admin, err := os.ReadFile(s.kubeconfig)
	if err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	if err := os.WriteFile(account, admin, 0o600); err != nil {
		return fmt.Errorf("writing the operator's kubeconfig: %w", err)
	}
	for _, args := range [][]string{
		{"config", "unset", "users"},
		{"config", "set-credentials", "operator", "--token=" + strings.TrimSpace(token)},
		{"config", "set-context", "--current", "--user=operator"},
	} {
		if _, err := s.kubectl(ctx, "", append(args, "--kubeconfig="+account)...); err != nil {
			return err
		}
	}
	if s.logs, err = freeAddress("127.0.0.1"); err != nil {
		return err
	}
	return s.start("operator", exec.CommandContext(context.WithoutCancel(ctx), s.program("operator"), "--kubeconfig", account, "--namespace", "mantle-system", "--leader-elect",
		"--data-dir", s.path("operator"), "--package-root", s.path("packages"), "--metrics-bind-address", s.logs, "--health-probe-bind-address", "0"))
}

func (s *stage) operatorLog() string {
	content, err := os.ReadFile(s.path("operator.log"))
	if err != nil {
		return ""
	}
	const most = 2000
	return "the end of the operator's log:\n" + string(content[max(0, len(content)-most):])
}

// close ends every process, the youngest first, and removes the folder.
func (s *stage) close() error {
	s.stopShops()
	for _, p := range s.pipes {
		_ = p.Close()
	}
	for i := len(s.processes) - 1; i >= 0; i-- {
		end(s.processes[i])
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("cleaning up: %w", err)
	}
	return nil
}

// end asks a process to end and kills it when it does not.
func end(cmd *exec.Cmd) {
	_ = cmd.Process.Signal(os.Interrupt)
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		_ = cmd.Process.Kill()
		<-done
	}
}
