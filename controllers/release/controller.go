package release

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/packages"
	"github.com/mantledeploy/mantle/controllers/internal/status"
)

// OwnerKind is how releases ask the package cache.
const OwnerKind = "Release"

// Packages is what a release asks the package cache.
type Packages interface {
	// Ensure answers what is known of an archive and sees that it is fetched.
	Ensure(owner packages.Owner, ref packages.Ref) (packages.Package, packages.State, error)
	// RetryAt is when a failed archive is tried again.
	RetryAt(ref packages.Ref) time.Time
}

// Reconciler carries out Releases.
type Reconciler struct {
	// Client reads through the cache and writes.
	Client client.Client
	// Reader reads past the cache.
	Reader client.Reader
	// Recorder tells people what happened.
	Recorder events.EventRecorder
	// Packages finds packages.
	Packages Packages
	// Fetched enqueues releases whose packages have news.
	Fetched <-chan event.GenericEvent
	// Now is the clock.
	Now func() time.Time
}

// New makes a Reconciler for the manager.
func New(mgr ctrl.Manager, cache Packages, fetched <-chan event.GenericEvent) *Reconciler {
	return &Reconciler{Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Recorder: mgr.GetEventRecorder("mantle"),
		Packages: cache, Fetched: fetched, Now: time.Now}
}

// +kubebuilder:rbac:groups=mantle.dev,resources=releases,verbs=get;list;watch
// +kubebuilder:rbac:groups=mantle.dev,resources=releases/status,verbs=patch
// +kubebuilder:rbac:groups=mantle.dev,resources=releases/finalizers,verbs=update
// +kubebuilder:rbac:groups=mantle.dev,resources=projects;deploymentruns,verbs=get;list;watch
// +kubebuilder:rbac:groups=apps,resources=controllerrevisions,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile freezes the process, finds the packages, and writes down what is now true.
func (r *Reconciler) Reconcile(ctx context.Context, release *v1alpha1.Release) (ctrl.Result, error) {
	if !release.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	release = release.DeepCopy()
	patcher := status.NewPatcher(r.Client, release)
	f, err := r.gather(ctx, release)
	if err != nil {
		return ctrl.Result{}, err
	}
	v := judge(f)
	if v.Freeze != nil {
		if v, err = r.freeze(ctx, f, v); err != nil {
			return ctrl.Result{}, err
		}
	}
	if v.Process != nil {
		v = r.resolve(release, v)
	}
	r.tell(release, v)
	describe(f, v)
	if err := patcher.Patch(ctx, release); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: v.Again}, nil
}

// SetupWithManager watches all that a release waits for.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	err := ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.Release{}).
		Watches(&v1alpha1.Project{}, handler.EnqueueRequestsFromMapFunc(r.releasesOf)).
		Watches(&v1alpha1.DeploymentRun{}, handler.EnqueueRequestsFromMapFunc(releaseOf)).
		WatchesRawSource(source.Channel(r.Fetched, &handler.EnqueueRequestForObject{})).
		Complete(reconcile.AsReconciler(r.Client, r))
	if err != nil {
		return fmt.Errorf("setting up the release controller: %w", err)
	}
	return nil
}

// releasesOf are the releases of a project that are not frozen yet; a frozen one does not care any more.
func (r *Reconciler) releasesOf(ctx context.Context, o client.Object) []reconcile.Request {
	var releases v1alpha1.ReleaseList
	if err := r.Client.List(ctx, &releases, client.InNamespace(o.GetNamespace())); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "listing releases")
		return nil
	}
	var requests []reconcile.Request
	for i := range releases.Items {
		release := &releases.Items[i]
		if string(release.Spec.Project) == o.GetName() && release.Status.Snapshot == "" {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(release)})
		}
	}
	return requests
}

func releaseOf(_ context.Context, o client.Object) []reconcile.Request {
	run, ok := o.(*v1alpha1.DeploymentRun)
	if !ok {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{
		Namespace: run.Namespace, Name: string(run.Spec.Project) + "-" + string(run.Spec.Release)}}}
}
