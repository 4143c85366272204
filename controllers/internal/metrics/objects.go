package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// CountTimeout bounds the listing of objects for one scrape.
const CountTimeout = 5 * time.Second

// Objects counts runs and bindings in the cache when it is scraped. Deleted objects are not counted, so the number of
// labels is bounded by the existing objects.
type Objects struct {
	reader         client.Reader
	runs, bindings *prometheus.Desc
}

// NewObjects returns the collector. Start exports it while this replica is the leader, so that the sum over replicas is
// correct.
func NewObjects(reader client.Reader) *Objects {
	return &Objects{reader: reader,
		runs:     prometheus.NewDesc("mantle_runs", "DeploymentRuns by phase.", []string{"namespace", "phase"}, nil),
		bindings: prometheus.NewDesc("mantle_bindings", "ReleaseBindings by state: Ready, Reconciling, or Stalled (needs a user's action).", []string{"namespace", "state"}, nil)}
}

// Start exports the collector until the context ends. It is a manager's Runnable.
func (o *Objects) Start(ctx context.Context) error { return Export(ctx, o) }

// Describe implements prometheus.Collector.
func (o *Objects) Describe(out chan<- *prometheus.Desc) {
	out <- o.runs
	out <- o.bindings
}

// Collect implements prometheus.Collector. If a list fails, its metric is missing in this scrape.
func (o *Objects) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), CountTimeout)
	defer cancel()
	var runs v1alpha1.DeploymentRunList
	if err := o.reader.List(ctx, &runs, client.UnsafeDisableDeepCopy); err == nil {
		counted := Counts{}
		for i := range runs.Items {
			counted[[2]string{runs.Items[i].Namespace, phase(&runs.Items[i])}]++
		}
		counted.Emit(out, o.runs)
	}
	var bindings v1alpha1.ReleaseBindingList
	if err := o.reader.List(ctx, &bindings, client.UnsafeDisableDeepCopy); err == nil {
		counted := Counts{}
		for i := range bindings.Items {
			counted[[2]string{bindings.Items[i].Namespace, state(bindings.Items[i].Status.Conditions)}]++
		}
		counted.Emit(out, o.bindings)
	}
}

// phase returns the run's phase if it is a known one: a user could write any value into a status.
func phase(run *v1alpha1.DeploymentRun) string {
	switch p := run.Status.Phase; p {
	case "":
		return string(v1alpha1.RunPending)
	case v1alpha1.RunPending, v1alpha1.RunQueued, v1alpha1.RunRunning, v1alpha1.RunWaiting, v1alpha1.RunCancelling:
		return string(p)
	default:
		if p.IsTerminal() {
			return string(p)
		}
		return "Unknown"
	}
}

// state returns the most significant condition.
func state(conditions []metav1.Condition) string {
	for _, kind := range []string{v1alpha1.ConditionStalled, v1alpha1.ConditionReady} {
		if meta.IsStatusConditionTrue(conditions, kind) {
			return kind
		}
	}
	return v1alpha1.ConditionReconciling
}

// Counts maps the values of two labels to a number.
type Counts map[[2]string]float64

// Emit sends one gauge for each pair of values.
func (c Counts) Emit(out chan<- prometheus.Metric, desc *prometheus.Desc) {
	for labels, n := range c {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, n, labels[0], labels[1])
	}
}
