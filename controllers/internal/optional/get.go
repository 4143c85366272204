// Package optional reads objects that may not exist, without an error if they do not.
package optional

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Get reads an object into the given one and returns it, or nil if it does not exist.
func Get[T client.Object](ctx context.Context, c client.Reader, namespace, name string, into T, options ...client.GetOption) (T, error) {
	err := c.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, into, options...)
	if apierrors.IsNotFound(err) {
		var none T
		return none, nil
	}
	return into, err //nolint:wrapcheck // the caller adds what it read
}
