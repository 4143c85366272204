package project

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/scope"
)

// maxMissing limits the missing objects and keys that one pass reports. Others are reported when these exist.
const maxMissing = 5

// facts is everything that a project's status depends on.
type facts struct {
	Now      time.Time
	Project  *v1alpha1.Project
	Problems []v1alpha1.Problem
	// Missing are the missing Secrets, ConfigMaps and keys, at most maxMissing. It is empty if there are problems.
	Missing []missing
}

// missing is a reference to an object or key that does not exist.
type missing struct {
	scope.Reference
	// NoKey is true if the object exists and lacks the key.
	NoKey bool
}

func (r *Reconciler) gather(ctx context.Context, project *v1alpha1.Project) (facts, error) {
	f := facts{Now: r.Now(), Project: project, Problems: scope.Validate(project.Spec)}
	if len(f.Problems) > 0 {
		return f, nil
	}
	found := map[scope.Reference]map[string]bool{} // the keys of each object; nil if it does not exist
	for _, ref := range scope.References(project.Spec) {
		object := scope.Reference{Kind: ref.Kind, Name: ref.Name}
		if _, known := found[object]; !known {
			keys, err := r.keys(ctx, project.Namespace, ref.Kind, ref.Name)
			if err != nil {
				return f, err
			}
			found[object] = keys
		}
		if keys := found[object]; !keys[ref.Key] {
			f.Missing = append(f.Missing, missing{Reference: ref, NoKey: keys != nil})
		}
		if len(f.Missing) == maxMissing {
			break
		}
	}
	return f, nil
}

// keys returns the keys of a Secret or a ConfigMap, and nil if it does not exist.
func (r *Reconciler) keys(ctx context.Context, namespace, kind, name string) (map[string]bool, error) {
	keys := map[string]bool{}
	at := types.NamespacedName{Namespace: namespace, Name: name}
	var err error
	if kind == "Secret" {
		var secret corev1.Secret
		err = r.Reader.Get(ctx, at, &secret)
		for key := range secret.Data {
			keys[key] = true
		}
	} else {
		var config corev1.ConfigMap
		err = r.Reader.Get(ctx, at, &config)
		for key := range config.Data {
			keys[key] = true
		}
	}
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading %s %s: %w", kind, name, err)
	}
	return keys, nil
}
