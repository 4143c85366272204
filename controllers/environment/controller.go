package environment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/identity"
	"github.com/mantledeploy/mantle/controllers/internal/status"
	"github.com/mantledeploy/mantle/controllers/internal/tentacle"
)

const (
	// joinFor is the least time between two writes of one environment.
	joinFor = 10 * time.Second
	// settleFor is how long what happens together, such as the first look at new targets, is waited for.
	settleFor = time.Second
	// lostFor is the time between two looks whether a lost identity is there again: nothing tells of it.
	lostFor = 10 * time.Second
)

// Identities tells who the operator is in a namespace.
type Identities interface {
	// For makes the identity at first need: a namespace gets it with its first environment.
	For(ctx context.Context, namespace string) (*tentacle.Identity, error)
}

// Reconciler carries out Environments.
type Reconciler struct {
	// Client reads through the cache and writes.
	Client client.Client
	// Identities tells who the operator is.
	Identities Identities
	// Now is the clock.
	Now func() time.Time

	mu    sync.Mutex
	times map[types.UID]times
}

// times of one environment: when its counts were written, and since when they may be old; zero when they are not.
type times struct {
	written, oldSince time.Time
}

// New makes a Reconciler for the manager.
func New(mgr ctrl.Manager, identities Identities) *Reconciler {
	return &Reconciler{Client: mgr.GetClient(), Identities: identities, Now: time.Now, times: map[types.UID]times{}}
}

// +kubebuilder:rbac:groups=mantle.dev,resources=environments,verbs=get;list;watch
// +kubebuilder:rbac:groups=mantle.dev,resources=environments/status,verbs=patch
// +kubebuilder:rbac:groups=mantle.dev,resources=deploymenttargets,verbs=get;list;watch

// Reconcile counts the targets and writes that down, unless it just did.
func (r *Reconciler) Reconcile(ctx context.Context, e *v1alpha1.Environment) (ctrl.Result, error) {
	if !e.DeletionTimestamp.IsZero() {
		r.forget(e.UID)
		return ctrl.Result{}, nil
	}
	if wait := r.wait(e); wait > 0 {
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	e = e.DeepCopy()
	patcher := status.NewPatcher(r.Client, e)
	var targets v1alpha1.DeploymentTargetList
	if err := r.Client.List(ctx, &targets, client.InNamespace(e.Namespace)); err != nil {
		return ctrl.Result{}, fmt.Errorf("listing targets: %w", err)
	}
	_, lost := r.Identities.For(ctx, e.Namespace)
	if lost != nil && !errors.Is(lost, identity.ErrLost) {
		return ctrl.Result{}, fmt.Errorf("finding the operator's identity: %w", lost)
	}
	describe(e, targets.Items, lost)
	if e.Status.Targets.Total > 0 { // nothing to count is nothing to wait for
		r.wrote(e.UID)
	}
	again := time.Duration(0)
	if lost != nil {
		again = lostFor
	}
	return ctrl.Result{RequeueAfter: again}, patcher.Patch(ctx, e)
}

// wait is how long the next write is put off. A changed spec is answered at once.
func (r *Reconciler) wait(e *v1alpha1.Environment) time.Duration {
	if e.Status.ObservedGeneration != e.Generation {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	at, now := r.times[e.UID], r.Now()
	if at.oldSince.IsZero() {
		at.oldSince = now
		r.times[e.UID] = at
	}
	return max(settleFor-now.Sub(at.oldSince), joinFor-now.Sub(at.written))
}

func (r *Reconciler) wrote(uid types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.times[uid] = times{written: r.Now()}
}

func (r *Reconciler) forget(uid types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.times, uid)
}

// SetupWithManager watches environments and the targets that belong to them.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	err := ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.Environment{}).
		Watches(&v1alpha1.Environment{}, handler.Funcs{DeleteFunc: r.deleted}).
		Watches(&v1alpha1.DeploymentTarget{}, handler.EnqueueRequestsFromMapFunc(environmentsOf)).
		Complete(reconcile.AsReconciler(r.Client, r))
	if err != nil {
		return fmt.Errorf("setting up the environment controller: %w", err)
	}
	return nil
}

// deleted forgets an environment: it has no finalizer, so no pass sees it go.
func (r *Reconciler) deleted(_ context.Context, e event.DeleteEvent, _ workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	r.forget(e.Object.GetUID())
}

func environmentsOf(_ context.Context, o client.Object) []reconcile.Request {
	t, ok := o.(*v1alpha1.DeploymentTarget)
	if !ok {
		return nil
	}
	names := slices.Clone(t.Spec.Environments)
	for _, row := range t.Status.Installed { // a target that left still counts until it is looked at again
		names = append(names, v1alpha1.ObjectName(row.Environment))
	}
	slices.Sort(names)
	var requests []reconcile.Request
	for _, name := range slices.Compact(names) {
		requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: t.Namespace, Name: string(name)}})
	}
	return requests
}
