package target

import (
	"context"
	"fmt"
	"slices"
	"time"

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
	"github.com/mantledeploy/mantle/controllers/internal/notify"
	"github.com/mantledeploy/mantle/controllers/internal/status"
	"github.com/mantledeploy/mantle/controllers/internal/tentacle"
)

// Identities tells who the operator is in a namespace.
type Identities interface {
	// For makes the identity at first need.
	For(ctx context.Context, namespace string) (*tentacle.Identity, error)
}

// Reconciler carries out DeploymentTargets.
type Reconciler struct {
	// Client reads through the cache and writes.
	Client client.Client
	// Reader reads past the cache.
	Reader client.Reader
	// Recorder tells people what happened.
	Recorder events.EventRecorder
	// Identities tells who the operator is.
	Identities Identities
	// Notifier enqueues targets; add it to the manager.
	Notifier *notify.Notifier
	// Now is the clock.
	Now func() time.Time

	looks *looks
}

// New makes a Reconciler for the manager. The notifier is the one that Unreached feeds.
func New(mgr ctrl.Manager, machines Machines, identities Identities, notifier *notify.Notifier) *Reconciler {
	return &Reconciler{Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Recorder: mgr.GetEventRecorder("mantle"), Identities: identities, Notifier: notifier,
		Now: time.Now, looks: newLooks(machines, notifier.Notify, time.Now)}
}

// +kubebuilder:rbac:groups=mantle.dev,resources=deploymenttargets,verbs=get;list;watch
// +kubebuilder:rbac:groups=mantle.dev,resources=deploymenttargets/status,verbs=patch
// +kubebuilder:rbac:groups=mantle.dev,resources=targetpolicies;environments;deploymentruns;deploymentrunslices,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get;create
// +kubebuilder:rbac:groups="",resources=configmaps,resourceNames=mantle-identity,verbs=update
// +kubebuilder:rbac:groups="",namespace=mantle-system,resources=secrets,verbs=get;create;update
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile gathers what the last look and the runs say, sees that a look is under way when one is due, and writes down
// what is now true.
func (r *Reconciler) Reconcile(ctx context.Context, t *v1alpha1.DeploymentTarget) (ctrl.Result, error) {
	if !t.DeletionTimestamp.IsZero() {
		r.looks.forget(t.UID)
		return ctrl.Result{}, nil
	}
	t = t.DeepCopy()
	patcher := status.NewPatcher(r.Client, t)
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
	before := t.DeepCopy()
	describe(f)
	if left := f.absentAgain(); left > 0 && (again == 0 || left < again) {
		again = left
	}
	if err := patcher.Patch(ctx, t); err != nil {
		return ctrl.Result{}, err
	}
	r.tell(before, t)
	return ctrl.Result{RequeueAfter: again}, nil
}

// Unreached says that somebody could not reach the target: it is looked at soon.
func (r *Reconciler) Unreached(ctx context.Context, name types.NamespacedName) {
	var t v1alpha1.DeploymentTarget
	if err := r.Client.Get(ctx, name, &t); err == nil {
		r.looks.poke(t.UID)
		r.Notifier.Notify(name)
	}
}

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
	if err := mgr.Add(r.metrics()); err != nil {
		return fmt.Errorf("adding the metrics of targets: %w", err)
	}
	err = ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.DeploymentTarget{}).
		Watches(&v1alpha1.DeploymentTarget{}, handler.Funcs{DeleteFunc: r.deleted}).
		Watches(&v1alpha1.TargetPolicy{}, handler.EnqueueRequestsFromMapFunc(r.targetsOf)).
		// Environments come and go; what is counted in their status is no news.
		Watches(&v1alpha1.Environment{}, handler.EnqueueRequestsFromMapFunc(r.targetsOf), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.DeploymentRunSlice{}, handler.EnqueueRequestsFromMapFunc(inSlice)).
		Watches(&v1alpha1.DeploymentRun{}, handler.EnqueueRequestsFromMapFunc(r.inRun)).
		WatchesRawSource(source.Channel(r.Notifier.Events(), &handler.EnqueueRequestForObject{})).
		Complete(reconcile.AsReconciler(r.Client, r))
	if err != nil {
		return fmt.Errorf("setting up the target controller: %w", err)
	}
	return nil
}

// deleted forgets a target: it has no finalizer, so no pass sees it go.
func (r *Reconciler) deleted(_ context.Context, e event.DeleteEvent, _ workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	r.looks.forget(e.Object.GetUID())
}

// targetsOf are the targets that name the policy or the environment.
func (r *Reconciler) targetsOf(ctx context.Context, o client.Object) []reconcile.Request {
	var targets v1alpha1.DeploymentTargetList
	if err := r.Client.List(ctx, &targets, client.InNamespace(o.GetNamespace())); err != nil {
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

// inSlice are the targets whose rows may have ended.
func inSlice(_ context.Context, o client.Object) []reconcile.Request {
	slice, ok := o.(*v1alpha1.DeploymentRunSlice)
	if !ok {
		return nil
	}
	var requests []reconcile.Request
	for _, row := range slice.Status.Results {
		if row.Phase.IsTerminal() {
			requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: slice.Namespace, Name: row.Target}})
		}
	}
	return requests
}

// inRun are the targets of a run that has ended: rows that did not end by themselves count from then on.
func (r *Reconciler) inRun(ctx context.Context, o client.Object) []reconcile.Request {
	run, ok := o.(*v1alpha1.DeploymentRun)
	if !ok || !run.Status.Phase.IsTerminal() {
		return nil
	}
	var filled v1alpha1.DeploymentRunSliceList
	if err := r.Client.List(ctx, &filled, client.InNamespace(run.Namespace), client.MatchingLabels{v1alpha1.LabelRunUID: string(run.UID)}); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "listing slices")
		return nil
	}
	var requests []reconcile.Request
	for _, slice := range filled.Items {
		for _, row := range slice.Status.Results {
			requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: slice.Namespace, Name: row.Target}})
		}
	}
	return requests
}
