package controllers

import (
	"errors"
	"slices"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Quiet returns a logger that does not report as an error that a namespace is being deleted or does not exist. The API
// server then refuses to create objects there, mostly events. Such errors are logged at level 1 instead.
func Quiet(logger logr.Logger) logr.Logger { return logger.WithSink(quiet{LogSink: logger.GetSink()}) }

// quiet adds its values to the sink only when something is logged, as every pass has values, but few passes log anything.
type quiet struct {
	logr.LogSink
	values []any
}

// full returns the sink with all values.
func (q quiet) full() logr.LogSink {
	if len(q.values) == 0 {
		return q.LogSink
	}
	return q.LogSink.WithValues(q.values...)
}

// Info implements logr.LogSink.
func (q quiet) Info(level int, message string, keysAndValues ...any) {
	q.full().Info(level, message, keysAndValues...)
}

// Error implements logr.LogSink.
func (q quiet) Error(err error, message string, keysAndValues ...any) {
	if !namespaceGone(err) {
		q.full().Error(err, message, keysAndValues...)
		return
	}
	if q.Enabled(1) {
		q.Info(1, message, append(keysAndValues, "error", err.Error())...)
	}
}

// WithValues implements logr.LogSink.
func (q quiet) WithValues(keysAndValues ...any) logr.LogSink {
	return quiet{q.LogSink, slices.Concat(q.values, keysAndValues)}
}

// WithName implements logr.LogSink.
func (q quiet) WithName(name string) logr.LogSink { return quiet{LogSink: q.full().WithName(name)} }

// namespaceGone reports whether the API server refused a request because the namespace is being deleted or does not exist.
func namespaceGone(err error) bool {
	if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return true
	}
	var status apierrors.APIStatus
	return apierrors.IsNotFound(err) && errors.As(err, &status) && status.Status().Details != nil && status.Status().Details.Kind == "namespaces"
}
