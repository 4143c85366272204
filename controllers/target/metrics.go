package target

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/metrics"
)

// countTimeout bounds counting the targets for one scrape.
const countTimeout = 5 * time.Second

// counts are the looks so far, by what they found. It is safe for concurrent use.
type counts struct {
	mu    sync.Mutex
	looks map[string]float64
}

func (c *counts) add(f *finding) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.looks == nil {
		c.looks = map[string]float64{}
	}
	c.looks[f.result()]++
}

func (c *counts) each(f func(result string, n float64)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for result, n := range c.looks {
		f(result, n)
	}
}

// result is one of the reasons of a target's conditions; there are few.
func (f *finding) result() string {
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

// collector counts when it is asked, so that metrics cost nothing in between.
type collector struct {
	reader         client.Reader
	counts         *counts
	targets, looks *prometheus.Desc
}

// metrics exports, while this process leads:
//
//	mantle_targets{namespace, health}            how many targets are of which health
//	mantle_target_health_checks_total{result}    how many health checks found what
func (r *Reconciler) metrics() manager.Runnable {
	c := &collector{reader: r.Client, counts: &r.looks.counts,
		targets: prometheus.NewDesc("mantle_targets", "DeploymentTargets by health.", []string{"namespace", "health"}, nil),
		looks:   prometheus.NewDesc("mantle_target_health_checks_total", "Health checks of machines by what they found.", []string{"result"}, nil)}
	return manager.RunnableFunc(func(ctx context.Context) error { return metrics.Export(ctx, c) })
}

// Describe tells which metrics there are.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	out <- c.targets
	out <- c.looks
}

// known is a health that there is: whoever may write a status could write any.
func known(health v1alpha1.TargetHealth) v1alpha1.TargetHealth {
	switch health {
	case v1alpha1.HealthHealthy, v1alpha1.HealthHasWarnings, v1alpha1.HealthUnhealthy, v1alpha1.HealthUnavailable, v1alpha1.HealthUntrusted:
		return health
	default:
		return v1alpha1.HealthUnknown
	}
}

// Collect counts. A list that cannot be had leaves its metric out of this scrape.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), countTimeout)
	defer cancel()
	var list v1alpha1.DeploymentTargetList
	if err := c.reader.List(ctx, &list, client.UnsafeDisableDeepCopy); err == nil {
		byHealth := map[[2]string]float64{}
		for i := range list.Items {
			byHealth[[2]string{list.Items[i].Namespace, string(known(list.Items[i].Status.Health))}]++
		}
		for labels, n := range byHealth {
			out <- prometheus.MustNewConstMetric(c.targets, prometheus.GaugeValue, n, labels[0], labels[1])
		}
	}
	c.counts.each(func(result string, n float64) {
		out <- prometheus.MustNewConstMetric(c.looks, prometheus.CounterValue, n, result)
	})
}
