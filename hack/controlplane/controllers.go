package main

import (
	"context"
	"fmt"
	"path/filepath"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/kubernetes/cmd/kube-controller-manager/app"
	kcmoptions "k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
)

// controllerNames are those that run: those without which deleting does not work, and those that give out identities.
const controllerNames = "garbage-collector-controller,namespace-controller," +
	"serviceaccount-controller,serviceaccount-token-controller"

// startControllers starts the controllers in this process. The channel receives once, when they have ended.
func startControllers(ctx context.Context, api *apiServer, dir string) (<-chan error, error) {
	o, err := kcmoptions.NewKubeControllerManagerOptions()
	if err != nil {
		return nil, fmt.Errorf("configuring the controllers: %w", err)
	}
	known, disabled, aliases := app.KnownControllers(), app.ControllersDisabledByDefault(), app.ControllerAliases()
	err = parse(o.Flags(known, disabled, aliases),
		"--kubeconfig="+api.kubeconfig,
		"--leader-elect=false",
		"--secure-port=0",
		"--cert-dir="+filepath.Join(dir, "pki"),
		"--controllers="+controllerNames,
		"--service-account-private-key-file="+api.pki.accountKey,
		"--root-ca-file="+api.pki.caCert,
	)
	if err != nil {
		return nil, fmt.Errorf("configuring the controllers: %w", err)
	}
	config, err := o.Config(ctx, known, disabled, aliases)
	if err != nil {
		return nil, fmt.Errorf("configuring the controllers: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx, config.Complete()) }()
	return ended, nil
}

// waitControllers returns when the controllers have shown that they work: the default namespace has its account.
func waitControllers(ctx context.Context, config *rest.Config, ended <-chan error) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	accounts := client.CoreV1().ServiceAccounts(metav1.NamespaceDefault)
	err = wait.PollUntilContextCancel(ctx, poll, true, func(ctx context.Context) (bool, error) {
		select {
		case err := <-ended:
			return false, fmt.Errorf("the controllers ended: %w", err)
		default:
		}
		_, err := accounts.Get(ctx, "default", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return fmt.Errorf("waiting for the controllers: %w", err)
	}
	return nil
}
