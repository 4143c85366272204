// Command mantle is the operator: it deploys software to virtual machines by connecting to the Tentacles on them.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap/zapcore"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers"
)

// version is set by the build: -ldflags "-X main.version=1.2.3".
var version = "unknown"

// garbage is the Go runtime's GOGC unless that is set: what the operator holds goes up and down with the machines that it
// works on, and memory is scarcer where it runs than processors are.
const garbage = 70

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "mantle:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	f, err := controllers.ParseFlags(flag.CommandLine, args) // where controller-runtime has put --kubeconfig
	if err != nil {
		return err
	}
	if f.Version {
		_, err := fmt.Fprintln(out, version)
		return err
	}
	level := zapcore.InfoLevel
	if f.Verbose {
		level = zapcore.DebugLevel
	}
	ctrl.SetLogger(controllers.Quiet(zap.New(zap.UseDevMode(false), zap.Level(level))))
	f.Logger = ctrl.Log.WithName("machines")
	if err := tellVersion(); err != nil {
		return err
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("finding the Kubernetes API (--kubeconfig, or in a pod): %w", err)
	}
	config.QPS = -1 // the API server's own flow control is the limit, and each namespace has its share of it
	f.APIServer = controllers.APIServerAddresses(config)
	if err := f.Guard(config); err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return fmt.Errorf("building the scheme: %w", err)
	}
	mgr, err := ctrl.NewManager(config, f.Manager(scheme))
	if err != nil {
		return fmt.Errorf("making the manager: %w", err)
	}
	if err := controllers.Setup(mgr, f.Options); err != nil {
		return err
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("adding the health check: %w", err)
	}
	if err := f.Run(ctrl.SetupSignalHandler(), mgr); err != nil {
		ctrl.Log.Error(err, "ending")
		return fmt.Errorf("running: %w", err)
	}
	return nil
}

// tellVersion puts the version into the log and the metrics.
func tellVersion() error {
	ctrl.Log.Info("starting Mantle", "version", version)
	built := prometheus.NewGauge(prometheus.GaugeOpts{Name: "mantle_build_info", Help: "1, with the operator's version.", ConstLabels: prometheus.Labels{"version": version}})
	built.Set(1)
	if err := metrics.Registry.Register(built); err != nil {
		return fmt.Errorf("adding the version to the metrics: %w", err)
	}
	return nil
}
