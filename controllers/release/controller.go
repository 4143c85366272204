package release

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/fair"
	"github.com/mantledeploy/mantle/controllers/internal/packages"
	"github.com/mantledeploy/mantle/controllers/internal/snapshot"
	"github.com/mantledeploy/mantle/controllers/internal/status"
)

// OwnerKind is the kind of owner that releases are in the package cache.
const OwnerKind = "Release"

// Packages is the package cache, as releases use it.
type Packages interface {
	// Ensure returns the state of a package, and fetches it if necessary.
	Ensure(owner packages.Owner, ref packages.Ref) (packages.Package, packages.State, error)
	// RetryAt returns when a failed package is fetched again.
	RetryAt(ref packages.Ref) time.Time
	// Release removes a release as an owner of packages.
	Release(owner types.UID)
}

// Reconciler reconciles Releases.
type Reconciler struct {
	Client    client.Client // reads from the cache
	Reader    client.Reader // reads from the API server
	Snapshots *snapshot.Reader
	Recorder  events.EventRecorder
	Packages  Packages
	// Fetched enqueues releases whose packages were fetched or failed.
	Fetched source.Source
	Now     func() time.Time
}

// New returns a Reconciler that uses the manager's clients.
func New(mgr ctrl.Manager, cache Packages, fetched source.Source) *Reconciler {
	return &Reconciler{Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Snapshots: snapshot.NewReader(mgr.GetClient()),
		Recorder: mgr.GetEventRecorder("mantle"), Packages: cache, Fetched: fetched, Now: time.Now}
}

// +kubebuilder:rbac:groups=mantle.dev,resources=releases,verbs=get;list;watch
// +kubebuilder:rbac:groups=mantle.dev,resources=releases/status,verbs=patch
// +kubebuilder:rbac:groups=mantle.dev,resources=releases/finalizers,verbs=update
// +kubebuilder:rbac:groups=mantle.dev,resources=projects;deploymentruns,verbs=get;list;watch
// +kubebuilder:rbac:groups=apps,resources=controllerrevisions,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile freezes the process, resolves the packages, and patches the status.
func (r *Reconciler) Reconcile(ctx context.Context, release *v1alpha1.Release) (ctrl.Result, error) {
	if !release.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	before := release
	release = release.DeepCopy()
	patcher := status.NewPatcher(r.Client, release).WithLock()
	f, err := r.gather(ctx, release)
	if err != nil {
		return ctrl.Result{}, err
	}
	v, err := r.carryOut(ctx, f, judge(f))
	if err != nil {
		return ctrl.Result{}, err
	}
	describe(f, v)
	err = patcher.Patch(ctx, release)
	if status.IsConflict(err) {
		return ctrl.Result{RequeueAfter: status.RetryConflict}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	r.announce(before, v)
	if v.Ready { // the digests are stored; runs request the packages themselves
		r.Packages.Release(release.UID)
	}
	return ctrl.Result{RequeueAfter: v.Again}, nil
}

// runsByRelease is the index of runs by the project and version that they deploy.
const runsByRelease = "release"

func indexRun(o client.Object) []string {
	run, ok := o.(*v1alpha1.DeploymentRun)
	if !ok {
		return nil
	}
	return []string{indexOf(run.Spec.Project, run.Spec.Release)}
}

// indexOf tells apart what the names of releases do not (see Release.Is).
func indexOf(project v1alpha1.ObjectName, version v1alpha1.Version) string {
	return string(project) + "/" + string(version)
}

// SetupWithManager watches everything that a release can wait for.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	if err := mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.DeploymentRun{}, runsByRelease, indexRun); err != nil {
		return fmt.Errorf("indexing runs by release: %w", err)
	}
	err := ctrl.NewControllerManagedBy(mgr).
		WithOptions(fair.Options(fair.Few)).
		For(&v1alpha1.Release{}).
		Watches(&v1alpha1.Release{}, handler.Funcs{DeleteFunc: r.deleted}).
		Watches(&v1alpha1.Project{}, fair.Mapped(r.releasesOf)).
		Watches(&v1alpha1.DeploymentRun{}, handler.EnqueueRequestsFromMapFunc(releaseOf), builder.WithPredicates(shownOfRuns)).
		WatchesRawSource(r.Fetched).
		Complete(reconcile.AsReconciler(r.Client, r))
	if err != nil {
		return fmt.Errorf("setting up the release controller: %w", err)
	}
	return nil
}

// deleted removes a deleted release as an owner of packages.
func (r *Reconciler) deleted(_ context.Context, e event.DeleteEvent, _ workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	r.Packages.Release(e.Object.GetUID())
}

// shownOfRuns passes changes of the fields of runs that status.deployments has. Other fields change often.
var shownOfRuns = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	before, ok := e.ObjectOld.(*v1alpha1.DeploymentRun)
	after, is := e.ObjectNew.(*v1alpha1.DeploymentRun)
	return !ok || !is || before.UID != after.UID || before.Status.Phase != after.Status.Phase ||
		!before.Status.StartTime.Equal(after.Status.StartTime) || !before.Status.FinishTime.Equal(after.Status.FinishTime)
}}

// releasesOf returns requests for the releases of a project that are not frozen yet, or whose condition ProjectChanged is out
// of date.
func (r *Reconciler) releasesOf(ctx context.Context, o client.Object) []reconcile.Request {
	project, ok := o.(*v1alpha1.Project)
	if !ok {
		return nil
	}
	var releases v1alpha1.ReleaseList
	if err := r.Client.List(ctx, &releases, client.InNamespace(o.GetNamespace()), client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "listing releases")
		return nil
	}
	var requests []reconcile.Request
	for i := range releases.Items {
		release := &releases.Items[i]
		if string(release.Spec.Project) == project.Name && concerns(project, release) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(release)})
		}
	}
	return requests
}

func concerns(project *v1alpha1.Project, release *v1alpha1.Release) bool {
	if release.Status.Snapshot == "" {
		return true
	}
	judged := project.Status.ObservedGeneration == project.Generation
	says := meta.IsStatusConditionTrue(release.Status.Conditions, v1alpha1.ConditionProjectChanged)
	return judged && says != (snapshot.Changed(release, project) != "")
}

func releaseOf(_ context.Context, o client.Object) []reconcile.Request {
	run, ok := o.(*v1alpha1.DeploymentRun)
	if !ok {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{
		Namespace: run.Namespace, Name: v1alpha1.ReleaseName(run.Spec.Project, run.Spec.Release)}}}
}
