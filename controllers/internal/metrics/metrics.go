// Package metrics contains the operator's Prometheus metrics. docs/operating.md lists all of them.
package metrics

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// outcome is a label: how something ended.
const (
	outcome = "outcome"
	success = "success"
	failure = "error"
)

// Metrics contains the counters of one operator. A nil Metrics counts nothing. It is safe for concurrent use.
type Metrics struct {
	gauges       []prometheus.Collector
	runWait      prometheus.Histogram
	runsFinished *prometheus.CounterVec
	actionWait   prometheus.Histogram
	sliceWrites  *prometheus.HistogramVec
	sliceBytes   prometheus.Counter
	fetches      *prometheus.HistogramVec
	fetchBytes   prometheus.Counter
	takeover     *prometheus.GaugeVec
}

// New returns the metrics of an operator; load provides the gauges.
func New(load Load) *Metrics {
	m := &Metrics{
		gauges: load.gauges(),
		runWait: histogram("mantle_run_queue_duration_seconds", "Time from the creation of a DeploymentRun to its start.",
			prometheus.ExponentialBuckets(0.25, 4, 9)),
		runsFinished: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "mantle_runs_finished_total", Help: "DeploymentRuns that ended, by phase."}, []string{"phase"}),
		actionWait: histogram("mantle_action_queue_duration_seconds", "Time from the dispatch of an action until its machine accepted it.",
			prometheus.ExponentialBuckets(0.025, 4, 9)),
		sliceWrites: histograms("mantle_slice_write_duration_seconds", "Duration of writes of a DeploymentRunSlice.", prometheus.ExponentialBuckets(0.005, 2, 12)),
		sliceBytes:  counter("mantle_slice_write_bytes_total", "Bytes of the patches to DeploymentRunSlices."),
		fetches:     histograms("mantle_package_fetch_duration_seconds", "Duration of package fetches.", prometheus.ExponentialBuckets(0.05, 4, 9)),
		fetchBytes:  counter("mantle_package_fetch_bytes_total", "Bytes of the packages that were fetched."),
		takeover: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "mantle_takeover_duration_seconds",
			Help: "Time from becoming the leader until this replica had taken over every unfinished DeploymentRun."}, nil),
	}
	for _, vec := range []*prometheus.HistogramVec{m.sliceWrites, m.fetches} {
		vec.WithLabelValues(success)
		vec.WithLabelValues(failure)
	}
	for _, phase := range finished() {
		m.runsFinished.WithLabelValues(string(phase))
	}
	return m
}

// finished returns the terminal phases of a run.
func finished() []v1alpha1.RunPhase {
	return []v1alpha1.RunPhase{v1alpha1.RunSucceeded, v1alpha1.RunSkipped, v1alpha1.RunFailed, v1alpha1.RunCancelled, v1alpha1.RunAbandoned, v1alpha1.RunSuperseded}
}

func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
}

func histograms(name, help string, buckets []float64) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, []string{outcome})
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

func (m *Metrics) all() []prometheus.Collector {
	return append([]prometheus.Collector{m.runWait, m.runsFinished, m.actionWait, m.sliceWrites, m.sliceBytes, m.fetches, m.fetchBytes, m.takeover}, m.gauges...)
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(out chan<- *prometheus.Desc) {
	for _, c := range m.all() {
		c.Describe(out)
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(out chan<- prometheus.Metric) {
	for _, c := range m.all() {
		c.Collect(out)
	}
}

// Start exports the counters until the context ends. It is a manager's Runnable.
func (m *Metrics) Start(ctx context.Context) error { return Export(ctx, m) }

// NeedLeaderElection implements manager.LeaderElectionRunnable. Every replica exports its metrics.
func (m *Metrics) NeedLeaderElection() bool { return false }

// Export registers a collector until the context ends. If a process runs two operators, only the first one's is
// registered.
func Export(ctx context.Context, c prometheus.Collector) error {
	err := metrics.Registry.Register(c)
	if errors.As(err, &prometheus.AlreadyRegisteredError{}) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	<-ctx.Done()
	metrics.Registry.Unregister(c)
	return nil
}

func outcomeOf(err error) string {
	if err != nil {
		return failure
	}
	return success
}

// RunStarted counts a run that has started, with the time since its creation.
func (m *Metrics) RunStarted(waited time.Duration) {
	if m != nil {
		m.runWait.Observe(max(waited, 0).Seconds())
	}
}

// RunFinished counts a run that ended.
func (m *Metrics) RunFinished(phase v1alpha1.RunPhase) {
	if m != nil {
		m.runsFinished.WithLabelValues(string(phase)).Inc()
	}
}

// ActionSent counts an action that its machine has accepted, with the time since its dispatch.
func (m *Metrics) ActionSent(waited time.Duration) { m.actionWait.Observe(waited.Seconds()) }

// SliceWritten counts one write of a slice.
func (m *Metrics) SliceWritten(took time.Duration, bytes int, err error) {
	if m == nil {
		return
	}
	m.sliceWrites.WithLabelValues(outcomeOf(err)).Observe(took.Seconds())
	m.sliceBytes.Add(float64(bytes))
}

// PackageFetched counts one fetch of a package.
func (m *Metrics) PackageFetched(took time.Duration, bytes int64, err error) {
	m.fetches.WithLabelValues(outcomeOf(err)).Observe(took.Seconds())
	m.fetchBytes.Add(float64(bytes))
}

// TookOver records how long it took to take over every unfinished run.
func (m *Metrics) TookOver(took time.Duration) {
	if m != nil {
		m.takeover.WithLabelValues().Set(max(took, 0).Seconds())
	}
}
