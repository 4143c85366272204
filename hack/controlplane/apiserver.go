package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/pflag"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	apioptions "k8s.io/kubernetes/cmd/kube-apiserver/app/options"
)

// poll is the pause between two looks at something that is starting.
const poll = 20 * time.Millisecond

// apiServer is a kube-apiserver in this process.
type apiServer struct {
	pki        pki
	kubeconfig string       // path; the administrator's
	config     *rest.Config // the same, without a rate limit
	ended      chan error   // receives once, when the server has ended
}

// startAPIServer starts kube-apiserver on 127.0.0.1 at the port of o, or at a free one for 0, with etcd in dir. It returns
// before the server answers. The server ends some time after ctx.
func startAPIServer(ctx context.Context, dir string, o options) (*apiServer, error) {
	keys, err := preparePKI(dir)
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(o.port)))
	if err != nil {
		return nil, fmt.Errorf("listening for the API server: %w", err)
	}
	a := &apiServer{pki: keys, kubeconfig: filepath.Join(dir, "kubeconfig"), ended: make(chan error, 1)}
	if err := keys.writeKubeconfig(a.kubeconfig, "https://"+listener.Addr().String()); err != nil {
		return nil, err
	}
	if a.config, err = clientcmd.BuildConfigFromFlags("", a.kubeconfig); err != nil {
		return nil, fmt.Errorf("reading the kubeconfig back: %w", err)
	}
	a.config.QPS = -1
	audit, err := auditFlags(dir, o.auditLog, o.auditUser)
	if err != nil {
		return nil, err
	}
	completed, err := completeOptions(ctx, dir, keys, listener, audit...)
	if err != nil {
		return nil, fmt.Errorf("configuring the API server: %w", err)
	}
	go func() { a.ended <- app.Run(ctx, completed) }()
	return a, nil
}

// completeOptions does what the kube-apiserver command does with its arguments, but for its own signal handling and
// logging, and with a listener that is open already, so that nobody can take the port in between. more are further
// arguments.
func completeOptions(ctx context.Context, dir string, keys pki, l net.Listener, more ...string) (apioptions.CompletedOptions, error) {
	o := apioptions.NewServerRunOptions()
	o.SecureServing.Listener = l
	etcd := etcdURL(dir)
	err := parse(o.Flags(), append(more,
		"--etcd-servers="+etcd.String(),
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		"--endpoint-reconciler-type=none", // it would refuse to publish a loopback address
		fmt.Sprintf("--secure-port=%d", l.Addr().(*net.TCPAddr).Port),
		"--tls-cert-file="+keys.serverCert,
		"--tls-private-key-file="+keys.serverKey,
		"--client-ca-file="+keys.caCert,
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+keys.accountKey,
		"--service-account-signing-key-file="+keys.accountKey,
		"--authorization-mode=RBAC",
		"--service-cluster-ip-range=10.0.0.0/24",
	)...)
	if err != nil {
		return apioptions.CompletedOptions{}, err
	}
	if err := o.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return apioptions.CompletedOptions{}, err
	}
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	completed, err := o.Complete(ctx)
	if err != nil {
		return completed, err
	}
	return completed, utilerrors.NewAggregate(completed.Validate())
}

// parse reads arguments into the options behind the flag sets.
func parse(sets cliflag.NamedFlagSets, args ...string) error {
	flags := pflag.NewFlagSet("controlplane", pflag.ContinueOnError)
	for _, set := range sets.FlagSets {
		flags.AddFlagSet(set)
	}
	return flags.Parse(args)
}

// waitReady returns when the API server says of itself that it is ready.
func (a *apiServer) waitReady(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(a.config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	var last error
	err = wait.PollUntilContextCancel(ctx, poll, true, func(ctx context.Context) (bool, error) {
		select {
		case err := <-a.ended:
			return false, fmt.Errorf("the API server ended: %w", err)
		default:
		}
		_, last = client.RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the API server: %w", errors.Join(err, last))
	}
	return nil
}

// waitEnd waits, not longer than the limit, until the API server has ended.
func (a *apiServer) waitEnd(limit time.Duration) {
	select {
	case err := <-a.ended:
		a.ended <- err
	case <-time.After(limit):
	}
}
