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

// Identities has the operator's identity for each namespace.
type Identities interface {
	// For returns the identity. It creates it on the first call for a namespace.
	For(ctx context.Context, namespace string) (*session.Identity, error)
}

// Reconciler carries out DeploymentTargets.
type Reconciler struct {
	Client     client.Client // reads from the cache
	Reader     client.Reader // reads from the API server
	Recorder   events.EventRecorder
	Identities Identities
	// Checked enqueues targets whose health check has ended, and Unreached those that an action could not reach.
	Checked, Unreached *notify.Notifier
	Now                func() time.Time
	// Workers is how many targets are reconciled at once; 0 means fair.Many.
	Workers int

	checker *checker
	writes  writes
	once    sync.Once
	frozen  *snapshot.Reader
}

// New returns a Reconciler that uses the manager's clients. Callers report machines that they could not reach to unreached.
func New(mgr ctrl.Manager, machines Machines, identities Identities, unreached *notify.Notifier) *Reconciler {
	checked := notify.New()
	r := &Reconciler{Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Recorder: mgr.GetEventRecorder("mantle"), Identities: identities,
		Checked: checked, Unreached: unreached, Now: time.Now}
	r.checker = newChecker(machines, checked.Notify, func() time.Time { return r.Now() })
	r.checker.valid = r.sameIdentity
	unreached.Before = r.checker.checkSoon
	return r
}

// Reached reports that a target's machine answered a request. It does not block.
func (r *Reconciler) Reached(target types.NamespacedName) { r.checker.reached(target) }

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

// Reconcile reads the results of the last health check and of runs, starts a health check if one is due, and patches the
// status.
func (r *Reconciler) Reconcile(ctx context.Context, t *v1alpha1.DeploymentTarget) (ctrl.Result, error) {
	if !t.DeletionTimestamp.IsZero() {
		r.checker.forget(client.ObjectKeyFromObject(t))
		r.writes.forget(client.ObjectKeyFromObject(t))
		return ctrl.Result{}, nil
	}
	t = t.DeepCopy() // it is shared with the cache
	patcher := status.NewPatcher(r.Client, t).WithLock()
	f, err := r.gather(ctx, t)
	if err != nil {
		return ctrl.Result{}, err
	}
	var again time.Duration
	switch f.Blocked {
	case nil:
		f.Found, again = r.checker.latest(t, f.Fingerprint, f.Policy.HealthInterval(), f.Want) //nolint:contextcheck // a check outlives the pass
	default:
		again = f.Blocked.Again
	}
	if left := f.firstWriteIn(); left > 0 {
		return ctrl.Result{RequeueAfter: left}, nil
	}
	before, version := t.DeepCopy(), t.ResourceVersion
	if left := describe(f); left > 0 && (again == 0 || left < again) {
		again = left
	}
	if err := patcher.Patch(ctx, t); status.IsConflict(err) {
		return ctrl.Result{RequeueAfter: status.RetryConflict}, nil
	} else if err != nil {
		return ctrl.Result{}, err
	}
	if t.ResourceVersion != version {
		r.writes.add(client.ObjectKeyFromObject(t), version)
	}
	r.announce(before, t)
	return ctrl.Result{RequeueAfter: again}, nil
}

// sliceTargets indexes slices by the targets in them.
const sliceTargets = "spec.targets.name"

// SetupWithManager watches everything that a target's status depends on.
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
	for _, runnable := range []manager.Runnable{r.metrics(), r.checker} {
		if err := mgr.Add(runnable); err != nil {
			return fmt.Errorf("adding the health checks and metrics of targets to the manager: %w", err)
		}
	}
	err = ctrl.NewControllerManagedBy(mgr).
		WithOptions(fair.Options(r.Workers)).
		For(&v1alpha1.DeploymentTarget{}).
		Watches(&v1alpha1.TargetPolicy{}, fair.Mapped(r.targetsOf)).
		// Environments are created and deleted. Changes of their status do not matter here.
		Watches(&v1alpha1.Environment{}, fair.Mapped(r.targetsOf), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.DeploymentRunSlice{}, inSlice()).
		Watches(&v1alpha1.DeploymentRun{}, fair.Mapped(r.inRun), builder.WithPredicates(watch.RunEnds())).
		WatchesRawSource(r.Checked.Source()).
		WatchesRawSource(r.Unreached.Source()).
		Complete(reconcile.Func(r.pass))
	if err != nil {
		return fmt.Errorf("setting up the target controller: %w", err)
	}
	return nil
}

// pass reconciles the target of that name. If it does not exist, pass forgets it, as targets have no finalizer.
func (r *Reconciler) pass(ctx context.Context, request reconcile.Request) (ctrl.Result, error) {
	t, err := optional.Get(ctx, r.Client, request.Namespace, request.Name, &v1alpha1.DeploymentTarget{}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("reading the target: %w", err)
	}
	if t == nil {
		r.checker.forget(request.NamespacedName)
		r.writes.forget(request.NamespacedName)
		return ctrl.Result{}, nil
	}
	if r.writes.has(request.NamespacedName, t.ResourceVersion) {
		return ctrl.Result{RequeueAfter: time.Second}, nil
	}
	return r.Reconcile(ctx, t)
}

// targetsOf returns requests for the targets that name the policy or the environment.
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

// inSlice enqueues the targets whose rows ended with a change of a slice.
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

// inRun returns requests for all targets of a run that has ended. Only then do rows count that did not end before, and targets
// on which no step ran.
func (r *Reconciler) inRun(ctx context.Context, o client.Object) []reconcile.Request {
	run, ok := o.(*v1alpha1.DeploymentRun)
	if !ok || !run.Status.Phase.IsTerminal() {
		return nil
	}
	parts, err := ledger.Slices(ctx, r.Client, run)
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "cannot list the targets of a run")
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
