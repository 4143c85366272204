package target

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/fair"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
	"github.com/mantledeploy/mantle/controllers/internal/notify"
	"github.com/mantledeploy/mantle/controllers/internal/optional"
	"github.com/mantledeploy/mantle/controllers/internal/session"
	"github.com/mantledeploy/mantle/controllers/internal/snapshot"
	"github.com/mantledeploy/mantle/controllers/internal/status"
	"github.com/mantledeploy/mantle/controllers/internal/watch"
)

// Identities tells who the operator is in a namespace.
type Identities interface {
	// For makes the identity at first need.
	For(ctx context.Context, namespace string) (*session.Identity, error)
}

// Reconciler carries out DeploymentTargets.
type Reconciler struct {
	Client     client.Client // reads through the cache
	Reader     client.Reader // reads past the cache
	Recorder   events.EventRecorder
	Identities Identities
	// Looked enqueues targets whose machine was looked at, and Unreached those that somebody could not reach.
	Looked, Unreached *notify.Notifier
	Now               func() time.Time
	// Workers is how many targets are worked on at once; 0 is fair.Many.
	Workers int

	looks  *looks
	once   sync.Once
	frozen *snapshot.Reader
}

// New makes a Reconciler for the manager. Who works with machines tells unreached of those that could not be reached.
func New(mgr ctrl.Manager, machines Machines, identities Identities, unreached *notify.Notifier) *Reconciler {
	looked := notify.New()
	r := &Reconciler{Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Recorder: mgr.GetEventRecorder("mantle"), Identities: identities,
		Looked: looked, Unreached: unreached, Now: time.Now}
	r.looks = newLooks(machines, looked.Notify, func() time.Time { return r.Now() })
	unreached.Before = r.looks.poke
	return r
}

// Reached says that a machine has answered somebody. It does not block.
func (r *Reconciler) Reached(target types.NamespacedName) { r.looks.reached(target) }

// +kubebuilder:rbac:groups=mantle.dev,resources=deploymenttargets,verbs=get;list;watch
// +kubebuilder:rbac:groups=mantle.dev,resources=deploymenttargets/status,verbs=patch
// +kubebuilder:rbac:groups=mantle.dev,resources=targetpolicies;environments;deploymentruns;deploymentrunslices,verbs=get;list;watch
// +kubebuilder:rbac:groups=apps,resources=controllerrevisions,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get;create
// +kubebuilder:rbac:groups="",resources=configmaps,resourceNames=mantle-identity,verbs=update
// +kubebuilder:rbac:groups="",namespace=mantle-system,resources=secrets,verbs=get;create;update
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile gathers what the last look and the runs say, sees that a look is under way when one is due, and writes down
// what is now true.
func (r *Reconciler) Reconcile(ctx context.Context, t *v1alpha1.DeploymentTarget) (ctrl.Result, error) {
	if !t.DeletionTimestamp.IsZero() {
		r.looks.forget(client.ObjectKeyFromObject(t))
		return ctrl.Result{}, nil
	}
	t = t.DeepCopy()
	patcher := status.NewPatcher(r.Client, t).WithLock()
	f, err := r.gather(ctx, t)
	if err != nil {
		return ctrl.Result{}, err
	}
	var again time.Duration
	switch f.Blocked {
	case nil:
		f.Found, again = r.looks.see(t, f.Fingerprint, f.Policy.HealthInterval(), f.Want) //nolint:contextcheck // a look outlives the pass
	default:
		again = f.Blocked.Again
	}
	if left := f.unseen(); left > 0 {
		return ctrl.Result{RequeueAfter: left}, nil
	}
	before := t.DeepCopy()
	if left := describe(f); left > 0 && (again == 0 || left < again) {
		again = left
	}
	if err := patcher.Patch(ctx, t); status.IsConflict(err) {
		return ctrl.Result{RequeueAfter: retryConflict}, nil
	} else if err != nil {
		return ctrl.Result{}, err
	}
	r.tell(before, t)
	return ctrl.Result{RequeueAfter: again}, nil
}

// retryConflict is the pause before a target is looked at again that changed meanwhile, or was made again.
const retryConflict = 100 * time.Millisecond

// sliceTargets indexes slices by the targets in them.
const sliceTargets = "spec.targets.name"

// SetupWithManager watches all that a target's status speaks of.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	err := mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.DeploymentRunSlice{}, sliceTargets, func(o client.Object) []string {
		slice, ok := o.(*v1alpha1.DeploymentRunSlice)
		if !ok {
			return nil
		}
		var names []string
		for _, t := range slice.Spec.Targets {
			names = append(names, t.Name)
		}
		return names
	})
	if err != nil {
		return fmt.Errorf("indexing slices: %w", err)
	}
	for _, runnable := range []manager.Runnable{r.metrics(), r.looks} {
		if err := mgr.Add(runnable); err != nil {
			return fmt.Errorf("adding what the target controller runs: %w", err)
		}
	}
	err = ctrl.NewControllerManagedBy(mgr).
		WithOptions(fair.Options(r.Workers)).
		For(&v1alpha1.DeploymentTarget{}).
		Watches(&v1alpha1.TargetPolicy{}, fair.Mapped(r.targetsOf)).
		// Environments come and go; what is counted in their status is no news.
		Watches(&v1alpha1.Environment{}, fair.Mapped(r.targetsOf), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.DeploymentRunSlice{}, inSlice()).
		Watches(&v1alpha1.DeploymentRun{}, fair.Mapped(r.inRun), builder.WithPredicates(watch.RunEnds())).
		WatchesRawSource(r.Looked.Source()).
		WatchesRawSource(r.Unreached.Source()).
		Complete(reconcile.Func(r.pass))
	if err != nil {
		return fmt.Errorf("setting up the target controller: %w", err)
	}
	return nil
}

// pass reconciles the target of a name, and forgets one that is gone: it has no finalizer.
func (r *Reconciler) pass(ctx context.Context, request reconcile.Request) (ctrl.Result, error) {
	t, err := optional.Get(ctx, r.Client, request.Namespace, request.Name, &v1alpha1.DeploymentTarget{})
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("reading the target: %w", err)
	}
	if t == nil {
		r.looks.forget(request.NamespacedName)
		return ctrl.Result{}, nil
	}
	return r.Reconcile(ctx, t)
}

// targetsOf are the targets that name the policy or the environment.
func (r *Reconciler) targetsOf(ctx context.Context, o client.Object) []reconcile.Request {
	var targets v1alpha1.DeploymentTargetList
	if err := r.Client.List(ctx, &targets, client.InNamespace(o.GetNamespace()), client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "listing targets")
		return nil
	}
	name := v1alpha1.ObjectName(o.GetName())
	_, isEnvironment := o.(*v1alpha1.Environment)
	var requests []reconcile.Request
	for i := range targets.Items {
		spec := targets.Items[i].Spec
		if isEnvironment && slices.Contains(spec.Environments, name) || !isEnvironment && spec.Policy == name {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&targets.Items[i])})
		}
	}
	return requests
}

// inSlice enqueues the targets whose rows have ended with a change of a slice.
func inSlice() handler.EventHandler {
	enqueue := func(queue workqueue.TypedRateLimitingInterface[reconcile.Request], before, after client.Object) {
		new, ok := after.(*v1alpha1.DeploymentRunSlice)
		if !ok {
			return
		}
		old, _ := before.(*v1alpha1.DeploymentRunSlice)
		for _, name := range watch.Ended(old, new) {
			queue.Add(reconcile.Request{NamespacedName: types.NamespacedName{Namespace: new.Namespace, Name: name}})
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			enqueue(queue, nil, e.Object)
		},
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			enqueue(queue, e.ObjectOld, e.ObjectNew)
		},
	}
}

// inRun are the targets of a run that has ended: rows that did not end by themselves count from then on, and targets that
// had nothing to do.
func (r *Reconciler) inRun(ctx context.Context, o client.Object) []reconcile.Request {
	run, ok := o.(*v1alpha1.DeploymentRun)
	if !ok || !run.Status.Phase.IsTerminal() {
		return nil
	}
	parts, err := ledger.Slices(ctx, r.Client, run)
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "finding the targets of a run")
		return nil
	}
	var requests []reconcile.Request
	for _, slice := range parts {
		for _, t := range slice.Spec.Targets {
			requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: slice.Namespace, Name: t.Name}})
		}
	}
	return requests
}
