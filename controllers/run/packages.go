package run

import (
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/feed"
	"github.com/mantledeploy/mantle/controllers/internal/packages"
	"github.com/mantledeploy/mantle/controllers/internal/snapshot"
	"github.com/mantledeploy/mantle/controllers/internal/tentacle"
)

// packagesReady sees that every package of the release is in the cache.
func (r *Reconciler) packagesReady(f facts) obstacle {
	for _, p := range f.Release.Status.Packages {
		if o := r.packageReady(owner(f.Run), p); o.Phase != "" {
			return o
		}
	}
	return obstacle{}
}

// packageReady sees that one package is in the cache.
func (r *Reconciler) packageReady(of types.NamespacedName, p v1alpha1.ResolvedPackage) obstacle {
	ref := packages.Ref{URL: p.URL, Digest: p.Digest}
	_, state, err := r.Packages.Ensure(packages.Owner{Kind: OwnerKind, NamespacedName: of}, ref)
	switch state {
	case packages.Ready:
		return obstacle{}
	case packages.Failed:
		return r.packageFailed(p, ref, err)
	default:
		return waitFor(v1alpha1.ReasonPackagePending, "package %s %s is being fetched", p.Name, p.Version)
	}
}

func (r *Reconciler) packageFailed(p v1alpha1.ResolvedPackage, ref packages.Ref, err error) obstacle {
	o := waitFor(v1alpha1.ReasonPackageUnavailable, "package %s %s: %v", p.Name, p.Version, err)
	var refused *feed.RefusedError
	switch {
	case errors.Is(err, packages.ErrChanged):
		o.Phase, o.Reason = v1alpha1.RunFailed, v1alpha1.ReasonPackageChanged
	case errors.As(err, &refused):
		o.Phase, o.Reason = v1alpha1.RunFailed, v1alpha1.ReasonPackageRefused
	default:
		if at := r.Packages.RetryAt(ref); !at.IsZero() {
			o.Again = max(at.Sub(r.Now()), 0) + time.Millisecond
		}
	}
	return o
}

// waitError is an obstacle that keeps one action from beginning.
type waitError struct{ obstacle }

// Error tells people what is waited for.
func (e *waitError) Error() string { return e.Message }

// asError is what the obstacle means for an action: one that ends a run ends the action.
func (o obstacle) asError() error {
	if o.Phase.IsTerminal() {
		return &endError{o.Reason, errors.New(o.Message)}
	}
	return &waitError{o}
}

// fetched asks for a package on the way to a machine that an earlier process began to send it to.
func (r *Reconciler) fetched(of types.NamespacedName, p v1alpha1.ResolvedPackage) error {
	o := r.packageReady(of, p)
	switch {
	case o.Phase == "":
		return nil
	case o.Phase.IsTerminal():
		return &tentacle.ContentError{Reason: o.Reason, Message: o.Message}
	default:
		return fmt.Errorf("%w: %s", tentacle.ErrNotFetched, o.Message)
	}
}

// learnPackages keeps what the release resolved to: the run goes on with it, though the release is deleted or made again.
func (l *live) learnPackages(f facts) {
	if l.packages == nil && f.Release != nil && snapshot.Ready(f.Release) && f.Release.Status.Snapshot == f.Run.Status.Snapshot {
		l.packages = append([]v1alpha1.ResolvedPackage{}, f.Release.Status.Packages...)
	}
}

// packageOf is the package that a step deploys. A release that is gone is waited for, where nothing is known of it.
func (l *live) packageOf(f facts, leaf v1alpha1.Leaf) (v1alpha1.ResolvedPackage, error) {
	for _, p := range l.packages {
		if p.Name == string(leaf.Deploy.Package) {
			return p, nil
		}
	}
	name := releaseName(f.Run.Spec)
	var o obstacle
	switch {
	case l.packages != nil:
		return v1alpha1.ResolvedPackage{}, missing(fmt.Errorf("release %s has no package %s", f.Run.Spec.Release, leaf.Deploy.Package))
	case f.Release == nil:
		o = waitFor(v1alpha1.ReasonReleaseNotFound, "Release %s was deleted, which knows the packages; create it again, or cancel the run", name)
	case !snapshot.Ready(f.Release):
		o = waitFor(v1alpha1.ReasonReleaseNotReady, "Release %s is not ready yet", name)
	default:
		return v1alpha1.ResolvedPackage{}, missing(fmt.Errorf("release %s was made again from another process", name))
	}
	return v1alpha1.ResolvedPackage{}, o.asError()
}
