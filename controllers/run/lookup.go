package run

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// lookup reads values from Secrets and ConfigMaps past the cache, each object once for this action.
func (r *Reconciler) lookup(ctx context.Context, namespace string) func(v1alpha1.ValueSource) (string, error) {
	secrets, configs := map[string]*corev1.Secret{}, map[string]*corev1.ConfigMap{}
	return func(from v1alpha1.ValueSource) (string, error) {
		if ref := from.SecretKeyRef; ref != nil {
			secret, err := once(ctx, r.Reader, namespace, ref.Name, secrets, &corev1.Secret{})
			if err != nil {
				return "", fmt.Errorf("reading Secret %s: %w", ref.Name, err)
			}
			value, found := secret.Data[ref.Key]
			if !found {
				return "", fmt.Errorf("secret %s has no key %s", ref.Name, ref.Key)
			}
			return string(value), nil
		}
		ref := from.ConfigMapKeyRef
		config, err := once(ctx, r.Reader, namespace, ref.Name, configs, &corev1.ConfigMap{})
		if err != nil {
			return "", fmt.Errorf("reading ConfigMap %s: %w", ref.Name, err)
		}
		value, found := config.Data[ref.Key]
		if !found {
			return "", fmt.Errorf("ConfigMap %s has no key %s", ref.Name, ref.Key)
		}
		return value, nil
	}
}

// once reads an object that has not been read yet. That it is not there is an answer, and that the operator may not read
// it; other errors may pass.
func once[T client.Object](ctx context.Context, reader client.Reader, namespace, name string, known map[string]T, into T) (T, error) {
	if object, found := known[name]; found {
		return object, nil
	}
	err := reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, into)
	if client.IgnoreNotFound(err) != nil && !apierrors.IsForbidden(err) {
		err = &readError{err}
	}
	if err == nil {
		known[name] = into
	}
	return into, err
}
