package binding

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/desired"
	"github.com/mantledeploy/mantle/controllers/internal/fair"
	"github.com/mantledeploy/mantle/controllers/internal/snapshot"
	"github.com/mantledeploy/mantle/controllers/internal/status"
	"github.com/mantledeploy/mantle/controllers/internal/watch"
)

// Reconciler reconciles ReleaseBindings.
type Reconciler struct {
	Client   client.Client // reads from the cache
	Reader   client.Reader // reads from the API server
	Recorder events.EventRecorder
	Now      func() time.Time
	// Workers is how many bindings are reconciled at once; 0 means fair.Many.
	Workers int

	once   sync.Once
	frozen *snapshot.Reader

	mu sync.Mutex
	// pauses has the pause of each binding by name. It is removed with its binding. If it is lost, the binding has one more pass.
	pauses map[types.NamespacedName]pause
}

// New returns a Reconciler that uses the manager's clients.
func New(mgr ctrl.Manager) *Reconciler {
	return &Reconciler{Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Recorder: mgr.GetEventRecorder("mantle"), Now: time.Now}
}

// +kubebuilder:rbac:groups=mantle.dev,resources=releasebindings,verbs=get;list;watch
// +kubebuilder:rbac:groups=mantle.dev,resources=releasebindings/status,verbs=patch
// +kubebuilder:rbac:groups=mantle.dev,resources=releasebindings/finalizers,verbs=update
// +kubebuilder:rbac:groups=mantle.dev,resources=deploymentruns,verbs=get;list;watch;create
// +kubebuilder:rbac:groups=mantle.dev,resources=deploymentrunslices,verbs=get;list;watch
// +kubebuilder:rbac:groups=mantle.dev,resources=projects;releases;environments;deploymenttargets;targetpolicies,verbs=get;list;watch
// +kubebuilder:rbac:groups=apps,resources=controllerrevisions,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile reads what the binding depends on, decides, patches the status, and creates a run if one is needed. The status is
// written first, and only if the binding did not change in the meantime, as the run depends on the record in the status.
func (r *Reconciler) Reconcile(ctx context.Context, b *v1alpha1.ReleaseBinding) (ctrl.Result, error) {
	if !b.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	b = b.DeepCopy()
	patcher := status.NewPatcher(r.Client, b).WithLock()
	f, err := r.gather(ctx, b, r.Now())
	if err != nil {
		return ctrl.Result{}, err
	}
	d := decide(f)
	if d.Make != nil {
		name := d.Make.Name
		same, err := r.confirm(ctx, &f, name)
		if err != nil {
			return ctrl.Result{}, err
		}
		if d = decide(f); !same || d.Make != nil && d.Make.Name != name {
			return ctrl.Result{RequeueAfter: status.RetryConflict}, nil
		}
	}
	before := b.Status.DeepCopy()
	describe(f, d)
	if err := patcher.Patch(ctx, b); status.IsConflict(err) {
		return ctrl.Result{RequeueAfter: status.RetryConflict}, nil
	} else if err != nil {
		return ctrl.Result{}, err
	}
	if err := r.carryOut(ctx, b, d.Make); apierrors.IsAlreadyExists(err) {
		return ctrl.Result{RequeueAfter: status.RetryConflict}, nil
	} else if err != nil {
		return ctrl.Result{}, err
	}
	r.announce(b, before, d)
	r.startPause(b, d)
	return ctrl.Result{RequeueAfter: d.Again}, nil
}

// SetupWithManager watches everything that a decision depends on.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	err := mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.DeploymentTarget{}, byRole, indexByRole)
	if err != nil {
		return fmt.Errorf("indexing targets: %w", err)
	}
	err = ctrl.NewControllerManagedBy(mgr).
		WithOptions(fair.Options(r.Workers)).
		For(&v1alpha1.ReleaseBinding{}).
		Owns(&v1alpha1.DeploymentRun{}).
		Watches(&v1alpha1.ReleaseBinding{}, fair.Mapped(r.bindingsOf), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.Release{}, fair.Mapped(r.bindingsOf), builder.WithPredicates(watch.Releases())).
		Watches(&v1alpha1.Environment{}, fair.Mapped(r.bindingsOf), builder.WithPredicates(watch.Existence())).
		Watches(&v1alpha1.Project{}, fair.Mapped(r.bindingsOf), builder.WithPredicates(digestChanged)).
		Watches(&v1alpha1.DeploymentTarget{}, fair.Mapped(r.bindingsOf), builder.WithPredicates(watch.Machines())).
		Watches(&v1alpha1.DeploymentTarget{}, fair.Mapped(r.bindingsOfInstalled), builder.WithPredicates(watch.Installed())).
		Complete(reconcile.Func(r.pass))
	if err != nil {
		return fmt.Errorf("setting up the binding controller: %w", err)
	}
	return nil
}

// digestChanged passes changes of a project's process: the binding's messages say if the release was made from another one.
var digestChanged = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	before, ok := e.ObjectOld.(*v1alpha1.Project)
	after, is := e.ObjectNew.(*v1alpha1.Project)
	return !ok || !is || before.UID != after.UID || before.Status.ProcessDigest != after.Status.ProcessDigest
}}

// bindingsOf returns requests for the bindings that may depend on an object.
func (r *Reconciler) bindingsOf(ctx context.Context, o client.Object) []reconcile.Request {
	return r.requests(ctx, o.GetNamespace(), func(b *v1alpha1.ReleaseBinding) bool { return concerns(o, b) })
}

// requests returns requests for the bindings of a namespace that are selected.
func (r *Reconciler) requests(ctx context.Context, namespace string, selects func(*v1alpha1.ReleaseBinding) bool) []reconcile.Request {
	var bindings v1alpha1.ReleaseBindingList
	if err := r.Client.List(ctx, &bindings, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "listing bindings")
		return nil
	}
	var requests []reconcile.Request
	for i := range bindings.Items {
		if selects(&bindings.Items[i]) {
			requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{
				Namespace: bindings.Items[i].Namespace, Name: bindings.Items[i].Name}})
		}
	}
	return requests
}

// bindingsOfInstalled returns the bindings of the projects that are installed on a target: where many projects share an
// environment, a run of one of them does not concern the bindings of the others.
func (r *Reconciler) bindingsOfInstalled(ctx context.Context, o client.Object) []reconcile.Request {
	t, ok := o.(*v1alpha1.DeploymentTarget)
	if !ok {
		return r.bindingsOf(ctx, o)
	}
	return r.requests(ctx, t.Namespace, func(b *v1alpha1.ReleaseBinding) bool {
		return desired.Installed(t, b.Spec.Project, b.Spec.Environment) != nil
	})
}

func concerns(o client.Object, b *v1alpha1.ReleaseBinding) bool {
	switch o := o.(type) {
	case *v1alpha1.ReleaseBinding: // an overlapping binding may have been deleted, or may select fewer targets
		return o.UID != b.UID && o.Spec.Project == b.Spec.Project && o.Spec.Environment == b.Spec.Environment
	case *v1alpha1.Release:
		return o.Name == v1alpha1.ReleaseName(b.Spec.Project, b.Spec.Release)
	case *v1alpha1.Project:
		return o.Name == string(b.Spec.Project)
	case *v1alpha1.Environment:
		return o.Name == string(b.Spec.Environment)
	case *v1alpha1.DeploymentTarget: // an update maps both versions, so also one that has just left the environment
		return slices.Contains(o.Spec.Environments, b.Spec.Environment)
	default:
		return true
	}
}
