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

// certificate says where the certificate of metrics and logs is.
type certificate struct{ dir, cert, key string }

func (c *certificate) flags(set *flag.FlagSet) {
	set.StringVar(&c.dir, "metrics-cert-path", "", "the folder with the certificate of metrics and logs, which is read again when it changes; empty serves one that the operator signs itself")
	set.StringVar(&c.cert, "metrics-cert-name", "tls.crt", "the file with the certificate in --metrics-cert-path")
	set.StringVar(&c.key, "metrics-cert-key", "tls.key", "the file with the private key in --metrics-cert-path")
}

// check refuses files that are not there: the metrics server would sign a certificate itself instead.
func (c *certificate) check() error {
	if c.dir == "" {
		return nil
	}
	for flag, name := range map[string]string{"--metrics-cert-name": c.cert, "--metrics-cert-key": c.key} {
		if _, err := os.Stat(filepath.Join(c.dir, name)); err != nil {
			return fmt.Errorf("--metrics-cert-path: there is no certificate to serve: %w; put the file there, or name another by %s", err, flag)
		}
	}
	return nil
}

// metricsServer are the options of the server of metrics and logs.
func (f *Flags) metricsServer() metricsserver.Options {
	o := metricsserver.Options{BindAddress: f.metrics, SecureServing: true, FilterProvider: access.Metrics(logs.Prefix)}
	if f.certificate.dir != "" {
		o.CertDir, o.CertName, o.KeyName = f.certificate.dir, f.certificate.cert, f.certificate.key
	}
	return o
}
