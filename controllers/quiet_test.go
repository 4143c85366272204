package controllers

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestThatANamespaceGoesIsNoError(t *testing.T) {
	terminating := apierrors.NewForbidden(schema.GroupResource{Resource: "events"}, "web-1", errors.New("it is being terminated"))
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	for _, c := range []struct {
		err     error
		isError bool
	}{
		{terminating, false},
		{fmt.Errorf("writing: %w", terminating), false},
		{apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "shop"), false},
		{apierrors.NewNotFound(schema.GroupResource{Resource: "releases"}, "shop-1.0.0"), true},
		{apierrors.NewForbidden(schema.GroupResource{Resource: "events"}, "web-1", errors.New("no right")), true},
		{errors.New("connection refused"), true},
		{nil, true},
	} {
		logged := ""
		logger := Quiet(funcr.New(func(prefix, args string) { logged += prefix + args }, funcr.Options{Verbosity: 1})).WithName("events").WithValues("a", 1)
		logger.Error(c.err, "Server rejected event")
		if isError := !strings.Contains(logged, `"level"=1`); isError != c.isError || !strings.Contains(logged, "Server rejected event") || !strings.Contains(logged, `"a"=1`) {
			t.Errorf("%v is logged as %s", c.err, logged)
		}
	}
}
