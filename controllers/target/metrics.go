package target

import (
	"context"
	"errors"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/metrics"
)

// counts has the number of health checks by result. It is safe for concurrent use.
type counts struct {
	mu       sync.Mutex
	byResult map[string]float64
}

func (c *counts) add(f *result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byResult == nil {
		c.byResult = map[string]float64{}
	}
	c.byResult[f.reason()]++
}

func (c *counts) each(f func(result string, n float64)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for result, n := range c.byResult {
		f(result, n)
	}
}

// reason returns the label of the metric: one of a few reasons of a target's conditions.
func (f *result) reason() string {
	var connect *halibut.ConnectError
	switch {
	case f.healthy():
		return v1alpha1.ReasonHealthy
	case errors.As(f.Err, &connect):
		return string(connect.Stage)
	case f.Err != nil:
		return v1alpha1.ReasonProtocolError
	default:
		return v1alpha1.ReasonHealthCheckError
	}
}

// collector counts during a scrape, so that metrics cost nothing in between.
type collector struct {
	reader          client.Reader
	counts          *counts
	targets, checks *prometheus.Desc
}

// metrics exports, while this process leads:
//
//	mantle_targets{namespace, health}            DeploymentTargets by health
//	mantle_target_health_checks_total{result}    health checks by result
func (r *Reconciler) metrics() manager.Runnable {
	c := &collector{reader: r.Client, counts: &r.checker.counts,
		targets: prometheus.NewDesc("mantle_targets", "DeploymentTargets by health.", []string{"namespace", "health"}, nil),
		checks:  prometheus.NewDesc("mantle_target_health_checks_total", "Health checks of machines by result.", []string{"result"}, nil)}
	return manager.RunnableFunc(func(ctx context.Context) error { return metrics.Export(ctx, c) })
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	out <- c.targets
	out <- c.checks
}

// known returns the health, or Unknown if it is not a known value: anyone who may write a status could set any string.
func known(health v1alpha1.TargetHealth) v1alpha1.TargetHealth {
	switch health {
	case v1alpha1.HealthHealthy, v1alpha1.HealthHasWarnings, v1alpha1.HealthUnhealthy, v1alpha1.HealthUnavailable, v1alpha1.HealthUntrusted:
		return health
	default:
		return v1alpha1.HealthUnknown
	}
}

// Collect implements prometheus.Collector. If the targets cannot be listed, this scrape lacks their metric.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), metrics.CountTimeout)
	defer cancel()
	var list v1alpha1.DeploymentTargetList
	if err := c.reader.List(ctx, &list, client.UnsafeDisableDeepCopy); err == nil {
		byHealth := metrics.Counts{}
		for i := range list.Items {
			byHealth[[2]string{list.Items[i].Namespace, string(known(list.Items[i].Status.Health))}]++
		}
		byHealth.Emit(out, c.targets)
	}
	c.counts.each(func(result string, n float64) {
		out <- prometheus.MustNewConstMetric(c.checks, prometheus.CounterValue, n, result)
	})
}
