package history

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/desired"
	"github.com/mantledeploy/mantle/controllers/internal/fair"
	"github.com/mantledeploy/mantle/controllers/internal/optional"
)

// defaultRuns is how many finished runs are kept if the project does not exist or does not set spec.history.runs.
const defaultRuns = 20

// Place identifies a project in an environment. Its runs are one history.
type Place struct {
	// Namespace of both.
	Namespace string
	// Project and Environment by name.
	Project, Environment v1alpha1.ObjectName
}

// placeOf returns the place of a run.
func placeOf(run *v1alpha1.DeploymentRun) Place {
	return Place{Namespace: run.Namespace, Project: run.Spec.Project, Environment: run.Spec.Environment}
}

// request returns the request of the place for the work queue. Names of objects cannot contain a slash.
func (p Place) request() reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: p.Namespace, Name: string(p.Project) + "/" + string(p.Environment)}}
}

func placeIn(request reconcile.Request) Place {
	project, environment, _ := strings.Cut(request.Name, "/")
	return Place{Namespace: request.Namespace, Project: v1alpha1.ObjectName(project), Environment: v1alpha1.ObjectName(environment)}
}

// Reconciler prunes histories.
type Reconciler struct {
	Client client.Client // reads from the cache
}

// New returns a Reconciler that uses the manager's client.
func New(mgr ctrl.Manager) *Reconciler { return &Reconciler{Client: mgr.GetClient()} }

// +kubebuilder:rbac:groups=mantle.dev,resources=deploymentruns,verbs=get;list;watch;delete
// +kubebuilder:rbac:groups=mantle.dev,resources=projects,verbs=get;list;watch

// Reconcile deletes the runs of a project in an environment that exceed its history.
func (r *Reconciler) Reconcile(ctx context.Context, at Place) (ctrl.Result, error) {
	keep := defaultRuns
	project, err := optional.Get(ctx, r.Client, at.Namespace, string(at.Project), &v1alpha1.Project{})
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("reading project: %w", err)
	}
	if project != nil && project.Spec.History.Runs > 0 {
		keep = int(project.Spec.History.Runs)
	}
	var runs v1alpha1.DeploymentRunList
	if err := r.Client.List(ctx, &runs, client.InNamespace(at.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return ctrl.Result{}, fmt.Errorf("listing runs: %w", err)
	}
	for _, old := range expendable(runs.Items, at, keep) {
		if err := r.Client.Delete(ctx, &old, client.Preconditions{UID: &old.UID}); client.IgnoreNotFound(err) != nil {
			return ctrl.Result{}, fmt.Errorf("deleting run %s: %w", old.Name, err)
		}
		ctrl.LoggerFrom(ctx).Info("deleted an old run", "namespace", old.Namespace, "run", old.Name)
	}
	return ctrl.Result{}, nil
}

// expendable returns the finished runs to delete: all but the newest keep runs, and those that a binding needs.
func expendable(runs []v1alpha1.DeploymentRun, at Place, keep int) []v1alpha1.DeploymentRun {
	var finished []v1alpha1.DeploymentRun
	for _, run := range runs {
		if placeOf(&run) == at && run.Status.Phase.IsTerminal() && run.DeletionTimestamp.IsZero() {
			finished = append(finished, run)
		}
	}
	slices.SortFunc(finished, func(a, b v1alpha1.DeploymentRun) int { return desired.Compare(&b, &a) })
	newest, rolledOut := sets.New[types.UID](), sets.New[types.UID]()
	var old []v1alpha1.DeploymentRun
	for i, run := range finished {
		protected := false
		if owner := metav1.GetControllerOf(&run); owner != nil {
			protected = !newest.Has(owner.UID)
			newest.Insert(owner.UID)
			if run.Status.Phase == v1alpha1.RunSucceeded && run.Spec.Purpose != v1alpha1.PurposeConvergence && !rolledOut.Has(owner.UID) {
				protected = true
				rolledOut.Insert(owner.UID)
			}
		}
		if i >= keep && !protected {
			old = append(old, run)
		}
	}
	return old
}

// ended passes runs that have just ended, and those that had ended already when the operator started.
func ended() predicate.Predicate {
	over := func(o client.Object) bool {
		run, ok := o.(*v1alpha1.DeploymentRun)
		return ok && run.Status.Phase.IsTerminal()
	}
	return predicate.Funcs{
		CreateFunc:  func(e event.CreateEvent) bool { return over(e.Object) },
		UpdateFunc:  func(e event.UpdateEvent) bool { return over(e.ObjectNew) && !over(e.ObjectOld) },
		DeleteFunc:  func(event.DeleteEvent) bool { return false },
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}

// SetupWithManager watches the ends of runs.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	requests := func(_ context.Context, o client.Object) []reconcile.Request {
		if run, ok := o.(*v1alpha1.DeploymentRun); ok {
			return []reconcile.Request{placeOf(run).request()}
		}
		return nil
	}
	err := builder.ControllerManagedBy(mgr).Named("history").
		WithOptions(fair.Options(fair.Few)).
		Watches(&v1alpha1.DeploymentRun{}, handler.EnqueueRequestsFromMapFunc(requests), builder.WithPredicates(ended())).
		Complete(reconcile.Func(func(ctx context.Context, request reconcile.Request) (ctrl.Result, error) {
			return r.Reconcile(ctx, placeIn(request))
		}))
	if err != nil {
		return fmt.Errorf("setting up the history controller: %w", err)
	}
	return nil
}
