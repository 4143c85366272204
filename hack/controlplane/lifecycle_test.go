package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// asCommand, when it is in the environment, makes this test binary behave as the command that it tests.
const asCommand = "CONTROLPLANE_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// process is the command, running.
type process struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	client kubernetes.Interface
	ended  chan error
}

// start runs the command and waits until it announces the kubeconfig.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("reading the announcement: %v", err)
	}
	kubeconfig, found := strings.CutPrefix(strings.TrimSpace(line), "KUBECONFIG=")
	if !found {
		t.Fatalf("the command announced %q", line)
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, stdin: stdin, client: kubernetes.NewForConfigOrDie(config), ended: make(chan error, 1)}
	go func() { p.ended <- cmd.Wait() }()
	return p
}

// wantEnd waits for the command, which must end well and at once.
func (p *process) wantEnd(t *testing.T) {
	t.Helper()
	select {
	case err := <-p.ended:
		if err != nil {
			t.Errorf("the command ended with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the command did not stop within 20 seconds")
	}
}

func TestDeletesWhatIsOwnedAndWhatIsInANamespace(t *testing.T) {
	dir := t.TempDir()
	p := start(t, "--dir", dir, "--until-stdin-closes")
	ctx := t.Context()
	if _, err := os.Stat(filepath.Join(dir, readyFile)); err != nil {
		t.Errorf("the announcement in the folder: %v", err)
	}
	namespace, err := p.client.CoreV1().Namespaces().Create(ctx,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	maps := p.client.CoreV1().ConfigMaps(namespace.Name)
	owner, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "owner"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	owned := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "owned", OwnerReferences: []metav1.OwnerReference{{
		APIVersion: "v1", Kind: "ConfigMap", Name: owner.Name, UID: owner.UID}}}}
	if _, err := maps.Create(ctx, owned, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}

	if err := maps.Delete(ctx, owner.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	waitGone(t, "the owned object", func(ctx context.Context) error {
		_, err := maps.Get(ctx, owned.Name, metav1.GetOptions{})
		return err
	})
	if err := p.client.CoreV1().Namespaces().Delete(ctx, namespace.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	waitGone(t, "the namespace", func(ctx context.Context) error {
		_, err := p.client.CoreV1().Namespaces().Get(ctx, namespace.Name, metav1.GetOptions{})
		return err
	})

	if err := p.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	p.wantEnd(t)
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("after the end the folder holds %v (%v), want nothing", left, err)
	}
}

// waitGone polls until get says that the object is not there.
func waitGone(t *testing.T, what string, get func(context.Context) error) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), poll, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		return apierrors.IsNotFound(get(ctx)), nil
	})
	if err != nil {
		t.Errorf("waiting until %s is gone: %v", what, err)
	}
}

func TestKeptFolderIsUsedAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "kept")
	p := start(t, "--dir", dir, "--keep")
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "remembered"}}
	if _, err := p.client.CoreV1().ConfigMaps("default").Create(t.Context(), config, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.wantEnd(t)

	p = start(t, "--dir", dir)
	if _, err := p.client.CoreV1().ConfigMaps("default").Get(t.Context(), config.Name, metav1.GetOptions{}); err != nil {
		t.Errorf("what was stored before: %v", err)
	}
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	p.wantEnd(t)
	if exists(dir) {
		t.Error("the folder is still there, although the second start did not ask to keep it")
	}
}

func TestForeignFolderIsRefused(t *testing.T) {
	dir := t.TempDir()
	precious := filepath.Join(dir, "precious")
	if err := os.WriteFile(precious, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openFolder(dir, false); err == nil {
		t.Error("a folder with somebody's file in it was taken")
	}
	if !exists(precious) {
		t.Error("somebody's file was removed")
	}
}
