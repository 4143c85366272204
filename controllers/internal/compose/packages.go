package compose

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/dispatch"
	"github.com/mantledeploy/mantle/controllers/internal/feed"
	"github.com/mantledeploy/mantle/controllers/internal/packages"
	"github.com/mantledeploy/mantle/controllers/internal/session"
	"github.com/mantledeploy/mantle/controllers/internal/snapshot"
)

// OwnerKind is the kind of runs as owners in the package cache.
const OwnerKind = "DeploymentRun"

// Packages provides the archives that a run sends; packages.Cache implements it.
type Packages interface {
	// Ensure returns the state of an archive and starts a fetch if it is needed.
	Ensure(owner packages.Owner, ref packages.Ref) (packages.Package, packages.State, error)
	// RetryAt returns when a failed fetch is retried.
	RetryAt(ref packages.Ref) time.Time
	// Open opens the archive as published.
	Open(ref packages.Ref) (io.ReadCloser, error)
	// Release ends the use of the cache by a run.
	Release(owner types.UID)
}

// resolved are the packages of the release. They are kept, because the run continues with them if the release is
// deleted or recreated.
type resolved struct {
	mu    sync.Mutex
	known bool
	list  []v1alpha1.ResolvedPackage
}

// Learn stores the resolved packages of the release, if it is the release that the run was created for.
func (r *Run) Learn(release *v1alpha1.Release) {
	if release == nil || !snapshot.Ready(release) || release.Status.Snapshot != r.snapshot {
		return
	}
	r.packages.mu.Lock()
	defer r.packages.mu.Unlock()
	if !r.packages.known {
		r.packages.known, r.packages.list = true, append([]v1alpha1.ResolvedPackage{}, release.Status.Packages...)
	}
}

func (r *Run) learned() ([]v1alpha1.ResolvedPackage, bool) {
	r.packages.mu.Lock()
	defer r.packages.mu.Unlock()
	return r.packages.list, r.packages.known
}

// packageOf returns the package that a step deploys, if it is in the operator's cache. If the release was deleted
// before its packages were read, the action waits for the release.
func (r *Run) packageOf(ctx context.Context, leaf v1alpha1.Leaf) (v1alpha1.ResolvedPackage, error) {
	list, known := r.learned()
	if !known {
		if err := r.learn(ctx); err != nil {
			return v1alpha1.ResolvedPackage{}, err
		}
		list, _ = r.learned()
	}
	for _, p := range list {
		if p.Name == string(leaf.Deploy.Package) {
			return p, r.composer.PackageReady(types.NamespacedName{Namespace: r.namespace, Name: r.name}, r.uid, p)
		}
	}
	return v1alpha1.ResolvedPackage{}, never(v1alpha1.ReasonVariableMissing, fmt.Sprintf("release %s has no package %s", r.spec.Release, leaf.Deploy.Package))
}

// learn reads the packages from the release.
func (r *Run) learn(ctx context.Context) error {
	name := v1alpha1.ReleaseName(r.spec.Project, r.spec.Release)
	var release v1alpha1.Release
	err := r.composer.Cached.Get(ctx, client.ObjectKey{Namespace: r.namespace, Name: name}, &release)
	switch {
	case client.IgnoreNotFound(err) != nil:
		return fmt.Errorf("reading release %s: %w", name, err)
	case err != nil:
		return &dispatch.NotReady{Reason: v1alpha1.ReasonReleaseNotFound,
			Message: fmt.Sprintf("Release %s was deleted, so the packages of the run are not known; create the Release again, or cancel the run", name)}
	case !snapshot.Ready(&release):
		return &dispatch.NotReady{Reason: v1alpha1.ReasonReleaseNotReady, Message: fmt.Sprintf("Release %s is not ready yet", name)}
	case release.Status.Snapshot != r.snapshot:
		return never(v1alpha1.ReasonVariableMissing, fmt.Sprintf("release %s was recreated with another process", name))
	}
	r.Learn(&release)
	return nil
}

// PackageReady checks that a package is in the cache; the error is a *dispatch.NotReady.
func (c *Composer) PackageReady(run types.NamespacedName, uid types.UID, p v1alpha1.ResolvedPackage) error {
	ref := packages.RefOf(run.Namespace, p)
	_, state, err := c.Packages.Ensure(packages.Owner{Kind: OwnerKind, NamespacedName: run, UID: uid}, ref)
	switch state {
	case packages.Ready:
		return nil
	case packages.Failed:
		return c.packageFailed(p, ref, err)
	default:
		return &dispatch.NotReady{Reason: v1alpha1.ReasonPackagePending, Message: fmt.Sprintf("package %s %s is being fetched", p.Name, p.Version), RetryAfter: time.Second}
	}
}

func (c *Composer) packageFailed(p v1alpha1.ResolvedPackage, ref packages.Ref, err error) error {
	e := &dispatch.NotReady{Reason: v1alpha1.ReasonPackageUnavailable, Message: fmt.Sprintf("package %s %s: %v", p.Name, p.Version, err)}
	var refused *feed.RefusedError
	switch {
	case errors.Is(err, packages.ErrChanged):
		e.Reason, e.Final = v1alpha1.ReasonPackageChanged, true
	case errors.As(err, &refused):
		e.Reason, e.Final = v1alpha1.ReasonPackageRefused, true
	default:
		if at := c.Packages.RetryAt(ref); !at.IsZero() {
			e.RetryAfter = max(at.Sub(c.Now()), 0) + time.Millisecond
		}
	}
	return e
}

// content returns the package as it is sent. It refers only to the cache, because the dispatcher keeps it in memory
// while the script runs.
func (r *Run) content(p v1alpha1.ResolvedPackage) *session.Content {
	cache, ref := r.composer.Packages, packages.RefOf(r.namespace, p)
	sha := strings.TrimPrefix(p.ContentDigest, "sha256:")
	return &session.Content{SHA256: sha, Format: p.Format, Size: p.Size, Path: step.ContentPath(sha, p.Format),
		Open: func() (io.ReadCloser, error) { return cache.Open(ref) }}
}
