package project

import (
	"context"
	"fmt"
	"time"

	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/fair"
	"github.com/mantledeploy/mantle/controllers/internal/status"
)

// Reconciler reconciles Projects.
type Reconciler struct {
	Client   client.Client // reads from the cache
	Reader   client.Reader // reads from the API server
	Recorder events.EventRecorder
	Now      func() time.Time
}

// New returns a Reconciler that uses the manager's clients.
func New(mgr ctrl.Manager) *Reconciler {
	return &Reconciler{Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Recorder: mgr.GetEventRecorder("mantle"), Now: time.Now}
}

// +kubebuilder:rbac:groups=mantle.dev,resources=projects,verbs=get;list;watch
// +kubebuilder:rbac:groups=mantle.dev,resources=projects/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=secrets;configmaps,verbs=get
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile validates the spec, checks that the objects it names exist, and patches the status.
func (r *Reconciler) Reconcile(ctx context.Context, project *v1alpha1.Project) (ctrl.Result, error) {
	if !project.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	before := project
	project = project.DeepCopy()
	// A patch without the lock, computed from an outdated object, could leave the digest of another spec in the status.
	patcher := status.NewPatcher(r.Client, project).WithLock()
	f, err := r.gather(ctx, project)
	if err != nil {
		return ctrl.Result{}, err
	}
	v := judge(f)
	describe(f, v)
	err = patcher.Patch(ctx, project)
	if status.IsConflict(err) {
		return ctrl.Result{RequeueAfter: status.RetryConflict}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	r.announce(before, v)
	return ctrl.Result{RequeueAfter: v.Again}, nil
}

// SetupWithManager watches Projects.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	err := ctrl.NewControllerManagedBy(mgr).
		WithOptions(fair.Options(fair.Few)).
		For(&v1alpha1.Project{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Complete(reconcile.AsReconciler(r.Client, r))
	if err != nil {
		return fmt.Errorf("setting up the project controller: %w", err)
	}
	return nil
}
