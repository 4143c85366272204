package run

import (
	"context"
	"fmt"

	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/fair"
	"github.com/mantledeploy/mantle/controllers/internal/watch"
)

// unfinished is the index of runs that have not ended; its one value is "true".
const unfinished = "run.unfinished"

// indexUnfinished is the value of a run in the index.
func indexUnfinished(o client.Object) []string {
	if run, ok := o.(*v1alpha1.DeploymentRun); ok && !run.Status.Phase.IsTerminal() {
		return []string{"true"}
	}
	return nil
}

// SetupWithManager watches all that a run waits for.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	if err := mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.DeploymentRun{}, unfinished, indexUnfinished); err != nil {
		return fmt.Errorf("indexing runs: %w", err)
	}
	r.takeover = &takeover{reader: r.Client, now: r.Now, done: r.Metrics.TookOver}
	if err := mgr.Add(r.takeover); err != nil {
		return fmt.Errorf("adding to the manager: %w", err)
	}
	specChanged := builder.WithPredicates(predicate.GenerationChangedPredicate{})
	err := ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.DeploymentRun{}).
		WithOptions(fair.Options(r.Workers)).
		Watches(&v1alpha1.DeploymentRun{}, fair.Mapped(r.behind), builder.WithPredicates(runMoved())).
		Watches(&v1alpha1.DeploymentRun{}, handler.Funcs{DeleteFunc: r.deleted}).
		Watches(&v1alpha1.ReleaseBinding{}, fair.Mapped(r.ofBinding), specChanged).
		Watches(&v1alpha1.Release{}, fair.Mapped(r.inNamespace)).
		Watches(&v1alpha1.Environment{}, fair.Mapped(r.inNamespace), specChanged).
		Watches(&v1alpha1.DeploymentTarget{}, fair.Mapped(r.ofTarget), builder.WithPredicates(watch.Targets())).
		WatchesRawSource(r.Reports).
		WatchesRawSource(r.Fetched).
		Complete(r)
	if err != nil {
		return fmt.Errorf("setting up the run controller: %w", err)
	}
	return nil
}

// deleted notes that a run is gone, also if somebody took its finalizer away. The next pass lets go of all that is kept
// for it.
func (r *Reconciler) deleted(_ context.Context, e event.DeleteEvent, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	if run, ok := e.Object.(*v1alpha1.DeploymentRun); ok {
		r.memory.vanished(nameOf(run), run.UID)
		queue.Add(reconcile.Request{NamespacedName: nameOf(run)})
	}
}

// waiting lists the unfinished runs of a namespace that match.
func (r *Reconciler) waiting(ctx context.Context, namespace string, match func(*v1alpha1.DeploymentRun) bool) []reconcile.Request {
	var runs v1alpha1.DeploymentRunList
	if err := r.Client.List(ctx, &runs, client.InNamespace(namespace), client.MatchingFields{unfinished: "true"}, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "listing runs")
		return nil
	}
	var requests []reconcile.Request
	for i := range runs.Items {
		if run := &runs.Items[i]; match(run) {
			requests = append(requests, reconcile.Request{NamespacedName: nameOf(run)})
		}
	}
	return requests
}

// behind are the runs that may wait for another run of the project in the environment.
func (r *Reconciler) behind(ctx context.Context, o client.Object) []reconcile.Request {
	first, ok := o.(*v1alpha1.DeploymentRun)
	if !ok {
		return nil
	}
	return r.waiting(ctx, o.GetNamespace(), func(run *v1alpha1.DeploymentRun) bool {
		return !resolved(run) && turnOf(run) == turnOf(first) && run.UID != first.UID
	})
}

// ofBinding are the runs of a binding's project in its environment: it supersedes its own and keeps out others.
func (r *Reconciler) ofBinding(ctx context.Context, o client.Object) []reconcile.Request {
	binding, ok := o.(*v1alpha1.ReleaseBinding)
	if !ok {
		return nil
	}
	return r.waiting(ctx, o.GetNamespace(), func(run *v1alpha1.DeploymentRun) bool {
		return run.Spec.Project == binding.Spec.Project && run.Spec.Environment == binding.Spec.Environment
	})
}

// inNamespace are all unfinished runs: one may wait for a release or an environment, or be superseded by a release that
// has become ready.
func (r *Reconciler) inNamespace(ctx context.Context, o client.Object) []reconcile.Request {
	return r.waiting(ctx, o.GetNamespace(), func(*v1alpha1.DeploymentRun) bool { return true })
}

// ofTarget are the runs that have the target, and those that wait for what targets show.
func (r *Reconciler) ofTarget(ctx context.Context, o client.Object) []reconcile.Request {
	requests := r.waiting(ctx, o.GetNamespace(), func(run *v1alpha1.DeploymentRun) bool { return !resolved(run) })
	for _, name := range r.memory.concerned(o.GetNamespace(), o.GetName()) {
		requests = append(requests, reconcile.Request{NamespacedName: name})
	}
	return requests
}

// runMoved passes what may let another run go: that one began, ended, lacks something else, or is gone.
func runMoved() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.DeploymentRun)
		after, also := e.ObjectNew.(*v1alpha1.DeploymentRun)
		return ok && also && (before.Status.Phase != after.Status.Phase || inLine(before) != inLine(after))
	}}
}
