//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/hack/stage"
)

// The namespace and the environment of everything.
const (
	namespace   = "scale"
	environment = v1alpha1.ObjectName("production")
)

// world is everything that is measured.
type world struct {
	options
	*stage.Stage

	leader, standby *stage.Process // no standby where no fail-over is measured

	scheme   *runtime.Scheme
	config   *rest.Config // the administrator's
	client   client.Client
	operator meter
	api      meter
	requests auditLog
	machines []machine
	pipes    []*os.File
	seen     *observer
}

func newWorld(o options) (*world, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("building the scheme: %w", err)
	}
	s, err := stage.New("scale")
	if err != nil {
		return nil, err
	}
	return &world{options: o, Stage: s, scheme: scheme, requests: auditLog{file: s.Path("audit.log")}}, nil
}

// start starts the control plane, the operator, and the Tentacles.
func (w *world) start(ctx context.Context) error {
	say("%d targets, %d projects, %d steps; load averages before: %s", w.targets, w.projects, w.steps, loads())
	api, err := w.ControlPlane(ctx, "--audit-log", w.requests.file, "--audit-user", stage.OperatorUser)
	if err != nil {
		return err
	}
	if w.config, err = clientcmd.BuildConfigFromFlags("", w.Kubeconfig); err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	w.config.QPS = -1
	if w.client, err = client.New(w.config, client.Options{Scheme: w.scheme}); err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	for _, o := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}},
		&v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: string(environment)}},
	} {
		if err := w.client.Create(ctx, o); err != nil {
			return fmt.Errorf("making %T: %w", o, err)
		}
	}
	if err := w.createHistory(ctx); err != nil {
		return err
	}
	if err := w.startOperator(ctx); err != nil {
		return err
	}
	w.api = meter(api.Pid())
	thumbprint, err := w.thumbprint(ctx)
	if err != nil {
		return err
	}
	if err := w.startMachines(ctx, thumbprint); err != nil {
		return err
	}
	w.seen, err = w.observe(ctx)
	return err
}

// startOperator starts the operator, and a standby where a fail-over is measured.
func (w *world) startOperator(ctx context.Context) (err error) {
	args := []string{"--metrics-bind-address", "0"}
	profiler, err := w.profiler()
	if err != nil {
		return err
	}
	if profiler != nil {
		args = append(args, "--pprof-bind-address", profiler.address)
	}
	if w.failover {
		args = append(args, "--lease-duration", leaseDuration.String())
	}
	if w.leader, err = w.Operator(ctx, args...); err != nil {
		return err
	}
	go profiler.run(ctx)
	w.operator = meter(w.leader.Pid())
	return nil
}

// thumbprint is what the operator publishes for the namespace.
func (w *world) thumbprint(ctx context.Context) (string, error) {
	var published corev1.ConfigMap
	err := w.wait(ctx, "the operator publishes its thumbprint", time.Minute, func() (bool, string, error) {
		err := w.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "mantle-identity"}, &published)
		return err == nil, fmt.Sprint(err), nil
	})
	return published.Data["thumbprint-sha256"], err
}

// The pause between two looks, and between two looks at the processes.
const (
	lookEvery  = 20 * time.Millisecond
	aliveEvery = time.Second
	tellEvery  = 15 * time.Second
)

// wait asks until it is so, and fails where it is not in time or a process has ended.
func (w *world) wait(ctx context.Context, what string, limit time.Duration, so func() (ok bool, seen string, err error)) error {
	alive, tell := time.Now(), time.Now()
	for deadline := time.Now().Add(limit); ; {
		ok, seen, err := so()
		if ok || err != nil {
			return err
		}
		if time.Since(alive) > aliveEvery {
			if err := w.Alive(); err != nil {
				return fmt.Errorf("waiting until %s: %w; last seen: %s", what, err, seen)
			}
			alive = time.Now()
		}
		if time.Since(tell) > tellEvery {
			say("  … until %s: %s", what, seen)
			tell = time.Now()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waiting until %s: not within %s; last seen: %s", what, limit, seen)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w; last seen: %s", what, context.Cause(ctx), seen)
		case <-time.After(lookEvery):
		}
	}
}

// close ends everything.
func (w *world) close() error {
	for _, p := range w.pipes {
		_ = p.Close() // which ends the Tentacles
	}
	say("load averages after: %s; cleaning up", loads())
	return w.Close()
}

func say(format string, args ...any) {
	fmt.Fprintf(os.Stdout, format+"\n", args...)
}

// loads are the load averages of the machine, which may have others to work for.
func loads() string {
	content, _ := os.ReadFile(filepath.Join("/proc", "loadavg"))
	return strings.Join(strings.Fields(string(content))[:min(3, len(strings.Fields(string(content))))], " ")
}
