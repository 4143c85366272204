package run

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/status"
)

// OwnerKind is how runs ask the package cache.
const OwnerKind = "DeploymentRun"

// Reconciler carries out DeploymentRuns.
type Reconciler struct {
	Deps
	// Client reads through the cache and writes.
	Client client.Client
	// Reader reads past the cache.
	Reader client.Reader
	// Recorder tells people what happened.
	Recorder events.EventRecorder

	lives *lives
	// waitsFrom is when this process first found a run to wait for what targets show.
	waitsFrom time.Time
	firstWait sync.Once
}

// New makes a Reconciler for the manager.
func New(mgr ctrl.Manager, deps Deps) *Reconciler {
	return &Reconciler{Deps: deps, Client: mgr.GetClient(), Reader: mgr.GetAPIReader(),
		Recorder: mgr.GetEventRecorder("mantle"), lives: newLives()}
}

// +kubebuilder:rbac:groups=mantle.dev,resources=deploymentruns,verbs=get;list;watch;patch;delete
// +kubebuilder:rbac:groups=mantle.dev,resources=deploymentruns/status,verbs=patch
// +kubebuilder:rbac:groups=mantle.dev,resources=deploymentruns/finalizers,verbs=update
// +kubebuilder:rbac:groups=mantle.dev,resources=deploymentrunslices,verbs=get;list;watch;create;delete
// +kubebuilder:rbac:groups=mantle.dev,resources=deploymentrunslices/status,verbs=patch
// +kubebuilder:rbac:groups=mantle.dev,resources=releasebindings;releases;environments;deploymenttargets;targetpolicies;projects,verbs=get;list;watch
// +kubebuilder:rbac:groups=apps,resources=controllerrevisions,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups="",resources=secrets;configmaps;namespaces,verbs=get
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile gathers the facts, decides what is next, carries it out, and writes down what is now true.
func (r *Reconciler) Reconcile(ctx context.Context, cached *v1alpha1.DeploymentRun) (ctrl.Result, error) {
	run, err := r.latest(ctx, cached)
	if err != nil || run == nil {
		return ctrl.Result{}, err
	}
	if run.Status.Phase.IsTerminal() {
		return r.settle(ctx, run)
	}
	patcher := status.NewPatcher(r.Client, run)
	if !resolved(run) {
		patcher = patcher.WithLock()
	}
	again, err := r.step(ctx, run)
	if err == nil {
		err = patcher.Patch(ctx, run)
	}
	if status.IsConflict(err) {
		// Somebody else wrote: what is in memory may be old, so the next pass takes the run up from the API server.
		r.lives.drop(run.UID)
		return ctrl.Result{RequeueAfter: retryConflict}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	if run.Status.Phase.IsTerminal() {
		r.tell(run)
		return r.settle(ctx, run)
	}
	return ctrl.Result{RequeueAfter: again}, nil
}

// latest gives the run as it is now; nil where it is gone. The cached view serves while this process carries the run on.
// Where it does not, an old view would end the run again, or make its slices again that are there.
func (r *Reconciler) latest(ctx context.Context, cached *v1alpha1.DeploymentRun) (*v1alpha1.DeploymentRun, error) {
	if cached.Status.Phase.IsTerminal() || resolved(cached) && r.lives.get(cached.UID) != nil {
		return cached.DeepCopy(), nil
	}
	run, err := get(ctx, r.Reader, cached.Namespace, cached.Name, &v1alpha1.DeploymentRun{})
	if err != nil {
		return nil, fmt.Errorf("reading run %s: %w", cached.Name, err)
	}
	if run == nil || run.UID != cached.UID {
		r.lives.release(cached)
	}
	return run, nil
}

// step takes a run that has not ended one decision further, and answers when to come again.
func (r *Reconciler) step(ctx context.Context, run *v1alpha1.DeploymentRun) (time.Duration, error) {
	f, err := r.gather(ctx, run)
	if err != nil {
		return 0, err
	}
	if resolved(run) {
		return r.advance(ctx, f)
	}
	return r.begin(ctx, f)
}

// retryConflict is the pause before a run is taken up again.
const retryConflict = 100 * time.Millisecond

// SetupWithManager watches all that a run waits for.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	err := ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.DeploymentRun{}).
		Watches(&v1alpha1.DeploymentRun{}, handler.EnqueueRequestsFromMapFunc(r.waiting)).
		Watches(&v1alpha1.DeploymentRun{}, handler.Funcs{DeleteFunc: r.deleted}).
		Watches(&v1alpha1.ReleaseBinding{}, handler.EnqueueRequestsFromMapFunc(r.waiting)).
		Watches(&v1alpha1.Release{}, handler.EnqueueRequestsFromMapFunc(r.waiting)).
		Watches(&v1alpha1.Environment{}, handler.EnqueueRequestsFromMapFunc(r.waiting)).
		Watches(&v1alpha1.DeploymentTarget{}, handler.EnqueueRequestsFromMapFunc(r.waiting)).
		WatchesRawSource(source.Channel(r.Reports, &handler.EnqueueRequestForObject{})).
		WatchesRawSource(source.Channel(r.Fetched, &handler.EnqueueRequestForObject{})).
		Complete(reconcile.AsReconciler(r.Client, r))
	if err != nil {
		return fmt.Errorf("setting up the run controller: %w", err)
	}
	return nil
}

// deleted forgets a run that is gone, also where somebody took its finalizer away.
func (r *Reconciler) deleted(_ context.Context, e event.DeleteEvent, _ workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	if run, ok := e.Object.(*v1alpha1.DeploymentRun); ok {
		r.lives.release(run)
	}
}

// waiting are the unfinished runs that a change may concern.
func (r *Reconciler) waiting(ctx context.Context, o client.Object) []reconcile.Request {
	var runs v1alpha1.DeploymentRunList
	if err := r.Client.List(ctx, &runs, client.InNamespace(o.GetNamespace())); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "listing runs")
		return nil
	}
	var requests []reconcile.Request
	for i := range runs.Items {
		run := &runs.Items[i]
		if !run.Status.Phase.IsTerminal() && run.UID != o.GetUID() {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(run)})
		}
	}
	return requests
}

// Fetched and Reports are channels of events whose object carries the name of a run.
type runEvents = <-chan event.GenericEvent
