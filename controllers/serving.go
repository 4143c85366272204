package controllers

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/mantledeploy/mantle/controllers/internal/access"
	"github.com/mantledeploy/mantle/controllers/internal/logs"
)

// certificate is the location of the certificate for metrics and logs.
type certificate struct{ dir, cert, key string }

func (c *certificate) flags(set *flag.FlagSet) {
	set.StringVar(&c.dir, "metrics-cert-path", "", "the folder with the certificate for metrics and logs, which is reloaded when it changes; if empty, the operator uses a self-signed certificate")
	set.StringVar(&c.cert, "metrics-cert-name", "tls.crt", "the name of the certificate file in --metrics-cert-path")
	set.StringVar(&c.key, "metrics-cert-key", "tls.key", "the name of the private key file in --metrics-cert-path")
}

// check returns an error if a file does not exist. Otherwise the metrics server would use a self-signed certificate.
func (c *certificate) check() error {
	if c.dir == "" {
		return nil
	}
	for flag, name := range map[string]string{"--metrics-cert-name": c.cert, "--metrics-cert-key": c.key} {
		if _, err := os.Stat(filepath.Join(c.dir, name)); err != nil {
			return fmt.Errorf("--metrics-cert-path: cannot read the certificate: %w; create the file, or set %s", err, flag)
		}
	}
	return nil
}

// metricsServer returns the options of the server for metrics and logs.
func (f *Flags) metricsServer() metricsserver.Options {
	o := metricsserver.Options{BindAddress: f.metrics, SecureServing: true, FilterProvider: access.Metrics(logs.Prefix)}
	if f.certificate.dir != "" {
		o.CertDir, o.CertName, o.KeyName = f.certificate.dir, f.certificate.cert, f.certificate.key
	}
	return o
}
