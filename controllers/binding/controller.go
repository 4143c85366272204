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
	"github.com/mantledeploy/mantle/controllers/internal/fair"
	"github.com/mantledeploy/mantle/controllers/internal/snapshot"
	"github.com/mantledeploy/mantle/controllers/internal/status"
	"github.com/mantledeploy/mantle/controllers/internal/watch"
)

// Reconciler carries out ReleaseBindings.
type Reconciler struct {
	Client   client.Client // reads through the cache
	Reader   client.Reader // reads past the cache
	Recorder events.EventRecorder
	Now      func() time.Time

	once   sync.Once
	frozen *snapshot.Reader

	mu sync.Mutex
	// resting are the bindings that were judged, by name. They go with their bindings, and what their loss costs is one pass.
	resting map[types.NamespacedName]rest
}

// New makes a Reconciler for the manager.
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

// Reconcile gathers the facts, decides, writes down what is now true, and makes the run that is needed. The status goes
// first, and only where nobody else changed the binding: the run depends on the record in it.
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
		same, err := r.lookAgain(ctx, &f, name)
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
	r.tell(b, before, d)
	r.rests(f, d)
	return ctrl.Result{RequeueAfter: d.Again}, nil
}

// SetupWithManager watches all that a decision goes by.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	err := ctrl.NewControllerManagedBy(mgr).
		WithOptions(fair.Options(fair.Few)).
		For(&v1alpha1.ReleaseBinding{}).
		Owns(&v1alpha1.DeploymentRun{}).
		Watches(&v1alpha1.ReleaseBinding{}, fair.Mapped(r.bindingsOf), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.Release{}, fair.Mapped(r.bindingsOf)).
		Watches(&v1alpha1.Environment{}, fair.Mapped(r.bindingsOf), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.Project{}, fair.Mapped(r.bindingsOf), builder.WithPredicates(digestChanged)).
		Watches(&v1alpha1.DeploymentTarget{}, fair.Mapped(r.bindingsOf), builder.WithPredicates(watch.Targets())).
		Complete(reconcile.Func(r.pass))
	if err != nil {
		return fmt.Errorf("setting up the binding controller: %w", err)
	}
	return nil
}

// digestChanged passes what a binding tells of its project: that it is another one than the release froze.
var digestChanged = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	before, ok := e.ObjectOld.(*v1alpha1.Project)
	after, is := e.ObjectNew.(*v1alpha1.Project)
	return !ok || !is || before.UID != after.UID || before.Status.ProcessDigest != after.Status.ProcessDigest
}}

// bindingsOf are the bindings that an object concerns.
func (r *Reconciler) bindingsOf(ctx context.Context, o client.Object) []reconcile.Request {
	var bindings v1alpha1.ReleaseBindingList
	if err := r.Client.List(ctx, &bindings, client.InNamespace(o.GetNamespace()), client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "listing bindings")
		return nil
	}
	var requests []reconcile.Request
	for i := range bindings.Items {
		if concerns(o, &bindings.Items[i]) {
			requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{
				Namespace: bindings.Items[i].Namespace, Name: bindings.Items[i].Name}})
		}
	}
	return requests
}

func concerns(o client.Object, b *v1alpha1.ReleaseBinding) bool {
	switch o := o.(type) {
	case *v1alpha1.ReleaseBinding: // one that overlapped may be gone or narrowed
		return o.UID != b.UID && o.Spec.Project == b.Spec.Project && o.Spec.Environment == b.Spec.Environment
	case *v1alpha1.Release:
		return o.Name == v1alpha1.ReleaseName(b.Spec.Project, b.Spec.Release)
	case *v1alpha1.Project:
		return o.Name == string(b.Spec.Project)
	case *v1alpha1.Environment:
		return o.Name == string(b.Spec.Environment)
	case *v1alpha1.DeploymentTarget: // one that has just left the environment comes as it was before, too
		return slices.Contains(o.Spec.Environments, b.Spec.Environment)
	default:
		return true
	}
}
