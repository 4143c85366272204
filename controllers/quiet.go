package controllers

import (
	"errors"
	"slices"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Quiet is a logger that takes no error for one which only says that a namespace is being deleted, or is gone: what is made
// there is refused then, events above all. It is logged with the decisions instead.
func Quiet(logger logr.Logger) logr.Logger { return logger.WithSink(quiet{LogSink: logger.GetSink()}) }

// quiet keeps values until something is logged: every pass adds some, and few log anything.
type quiet struct {
	logr.LogSink
	values []any
}

// full is the sink with all values.
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
	if !namespaceGoes(err) {
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

// namespaceGoes tells whether the API server refused something because its namespace is being deleted, or is gone.
func namespaceGoes(err error) bool {
	if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return true
	}
	var status apierrors.APIStatus
	return apierrors.IsNotFound(err) && errors.As(err, &status) && status.Status().Details != nil && status.Status().Details.Kind == "namespaces"
}
