package environment

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/fair"
	"github.com/mantledeploy/mantle/controllers/internal/optional"
	"github.com/mantledeploy/mantle/controllers/internal/session"
	"github.com/mantledeploy/mantle/controllers/internal/status"
	"github.com/mantledeploy/mantle/controllers/internal/watch"
)

const (
	// joinFor is the least time between two writes of one environment.
	joinFor = 10 * time.Second
	// settleFor is the pause after a change, so that changes that happen together, such as those of new targets, are written
	// together.
	settleFor = time.Second
	// lostFor is the pause before a lost identity is read again: the controller does not watch for it.
	lostFor = 10 * time.Second
)

// Identities has the operator's identity for each namespace.
type Identities interface {
	// For returns the identity. It creates it on the first call for a namespace, so at the latest with its first environment.
	For(ctx context.Context, namespace string) (*session.Identity, error)
}

// Reconciler reconciles Environments.
type Reconciler struct {
	Client     client.Client // reads from the cache
	Identities Identities
	Now        func() time.Time

	mu        sync.Mutex
	throttles map[types.NamespacedName]throttle
}

// throttle has the time of the last write of an environment, and of the first change since then; zero if there is none. It is
// removed with the environment. If it is lost, the status is written once more.
type throttle struct {
	uid              types.UID
	written, changed time.Time
}

// New returns a Reconciler that uses the manager's clients.
func New(mgr ctrl.Manager, identities Identities) *Reconciler {
	return &Reconciler{Client: mgr.GetClient(), Identities: identities, Now: time.Now, throttles: map[types.NamespacedName]throttle{}}
}

// +kubebuilder:rbac:groups=mantle.dev,resources=environments,verbs=get;list;watch
// +kubebuilder:rbac:groups=mantle.dev,resources=environments/status,verbs=patch
// +kubebuilder:rbac:groups=mantle.dev,resources=deploymenttargets;projects;releasebindings,verbs=get;list;watch

// Reconcile counts the targets and patches the status, at most every joinFor.
func (r *Reconciler) Reconcile(ctx context.Context, e *v1alpha1.Environment) (ctrl.Result, error) {
	if !e.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	if wait := r.wait(e); wait > 0 {
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	e = e.DeepCopy()
	patcher := status.NewPatcher(r.Client, e)
	f, err := r.gather(ctx, e)
	if err != nil {
		return ctrl.Result{}, err
	}
	describe(f)
	if e.Status.Targets.Total > 0 { // an empty environment does not delay the next write
		r.wrote(e)
	}
	again := time.Duration(0)
	if f.Lost != nil {
		again = lostFor
	}
	return ctrl.Result{RequeueAfter: again}, patcher.Patch(ctx, e)
}

// wait returns how long to wait before the next write; 0 if the spec has changed.
func (r *Reconciler) wait(e *v1alpha1.Environment) time.Duration {
	if e.Status.ObservedGeneration != e.Generation {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	name, now := client.ObjectKeyFromObject(e), r.Now()
	at := r.throttles[name]
	if at.uid != e.UID {
		at = throttle{uid: e.UID}
	}
	if at.changed.IsZero() {
		at.changed = now
		r.throttles[name] = at
	}
	return max(settleFor-now.Sub(at.changed), joinFor-now.Sub(at.written))
}

func (r *Reconciler) wrote(e *v1alpha1.Environment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.throttles[client.ObjectKeyFromObject(e)] = throttle{uid: e.UID, written: r.Now()}
}

func (r *Reconciler) forget(name types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.throttles, name)
}

// SetupWithManager watches environments and what their status depends on.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	err := ctrl.NewControllerManagedBy(mgr).
		WithOptions(fair.Options(fair.Few)).
		For(&v1alpha1.Environment{}).
		Watches(&v1alpha1.DeploymentTarget{}, handler.EnqueueRequestsFromMapFunc(environmentsOf), builder.WithPredicates(watch.Targets())).
		Watches(&v1alpha1.Project{}, fair.Mapped(r.all), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.ReleaseBinding{}, handler.EnqueueRequestsFromMapFunc(environmentOf), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Complete(reconcile.Func(r.pass))
	if err != nil {
		return fmt.Errorf("setting up the environment controller: %w", err)
	}
	return nil
}

// pass reconciles the environment of that name. If it does not exist, pass forgets it, as environments have no finalizer.
func (r *Reconciler) pass(ctx context.Context, request reconcile.Request) (ctrl.Result, error) {
	e, err := optional.Get(ctx, r.Client, request.Namespace, request.Name, &v1alpha1.Environment{})
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("reading the environment: %w", err)
	}
	if e == nil {
		r.forget(request.NamespacedName)
		return ctrl.Result{}, nil
	}
	return r.Reconcile(ctx, e)
}

// all returns requests for all environments in a project's namespace.
func (r *Reconciler) all(ctx context.Context, o client.Object) []reconcile.Request {
	var environments v1alpha1.EnvironmentList
	if err := r.Client.List(ctx, &environments, client.InNamespace(o.GetNamespace()), client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "listing environments")
		return nil
	}
	requests := make([]reconcile.Request, len(environments.Items))
	for i := range environments.Items {
		requests[i].NamespacedName = client.ObjectKeyFromObject(&environments.Items[i])
	}
	return requests
}

func environmentOf(_ context.Context, o client.Object) []reconcile.Request {
	b, ok := o.(*v1alpha1.ReleaseBinding)
	if !ok {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: b.Namespace, Name: string(b.Spec.Environment)}}}
}

func environmentsOf(_ context.Context, o client.Object) []reconcile.Request {
	t, ok := o.(*v1alpha1.DeploymentTarget)
	if !ok {
		return nil
	}
	names := slices.Clone(t.Spec.Environments)
	for _, row := range t.Status.Installed { // an environment that the target has left must drop it
		names = append(names, v1alpha1.ObjectName(row.Environment))
	}
	slices.Sort(names)
	var requests []reconcile.Request
	for _, name := range slices.Compact(names) {
		requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: t.Namespace, Name: string(name)}})
	}
	return requests
}
