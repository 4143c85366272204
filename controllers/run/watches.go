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
	"github.com/mantledeploy/mantle/controllers/internal/recorded"
	"github.com/mantledeploy/mantle/controllers/internal/watch"
)

// unfinished is the index of runs that have not ended; its one value is "true".
const unfinished = "run.unfinished"

// indexUnfinished returns the values of a run for the index.
func indexUnfinished(o client.Object) []string {
	if run, ok := o.(*v1alpha1.DeploymentRun); ok && !run.Status.Phase.IsTerminal() {
		return []string{"true"}
	}
	return nil
}

// SetupWithManager watches everything that a run can wait for.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	if err := mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.DeploymentRun{}, unfinished, indexUnfinished); err != nil {
		return fmt.Errorf("indexing runs: %w", err)
	}
	if err := mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.DeploymentRun{}, recorded.ByProject, recorded.ProjectOf); err != nil {
		return fmt.Errorf("indexing runs by project: %w", err)
	}
	r.takeover = &takeover{reader: r.Client, now: r.Now, done: r.Metrics.TookOver}
	if err := mgr.Add(r.takeover); err != nil {
		return fmt.Errorf("adding to the manager: %w", err)
	}
	specChanged := builder.WithPredicates(predicate.GenerationChangedPredicate{})
	err := ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.DeploymentRun{}).
		WithOptions(fair.Options(r.Workers)).
		Watches(&v1alpha1.DeploymentRun{}, fair.Mapped(r.waitingBehind), builder.WithPredicates(mayUnblock())).
		Watches(&v1alpha1.DeploymentRun{}, handler.Funcs{DeleteFunc: r.deleted}).
		Watches(&v1alpha1.ReleaseBinding{}, fair.Mapped(r.ofBinding), specChanged).
		Watches(&v1alpha1.Release{}, fair.Mapped(r.ofRelease)).
		Watches(&v1alpha1.Environment{}, fair.Mapped(r.ofEnvironment), specChanged).
		Watches(&v1alpha1.DeploymentTarget{}, fair.Mapped(r.ofTarget), builder.WithPredicates(watch.Targets())).
		WatchesRawSource(r.Reports).
		WatchesRawSource(r.Fetched).
		WatchesRawSource(r.entered.Source()).
		Complete(r)
	if err != nil {
		return fmt.Errorf("setting up the run controller: %w", err)
	}
	return nil
}

// deleted handles the deletion of a run, even if its finalizer was removed by someone else. The next pass releases everything
// that is kept for the run.
func (r *Reconciler) deleted(_ context.Context, e event.DeleteEvent, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	if run, ok := e.Object.(*v1alpha1.DeploymentRun); ok {
		r.memory.noteDeleted(nameOf(run), run.UID)
		queue.Add(reconcile.Request{NamespacedName: nameOf(run)})
	}
}

// unfinishedRuns returns requests for the unfinished runs of a namespace that match.
func (r *Reconciler) unfinishedRuns(ctx context.Context, namespace string, match func(*v1alpha1.DeploymentRun) bool) []reconcile.Request {
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

// waitingBehind returns requests for the runs that may wait for the given run of their project and environment.
func (r *Reconciler) waitingBehind(ctx context.Context, o client.Object) []reconcile.Request {
	first, ok := o.(*v1alpha1.DeploymentRun)
	if !ok {
		return nil
	}
	return r.unfinishedRuns(ctx, o.GetNamespace(), func(run *v1alpha1.DeploymentRun) bool {
		return !resolved(run) && turnOf(run) == turnOf(first) && run.UID != first.UID
	})
}

// ofBinding returns requests for the runs of a binding's project and environment. The binding can supersede its own runs, and
// make others wait.
func (r *Reconciler) ofBinding(ctx context.Context, o client.Object) []reconcile.Request {
	binding, ok := o.(*v1alpha1.ReleaseBinding)
	if !ok {
		return nil
	}
	return r.unfinishedRuns(ctx, o.GetNamespace(), func(run *v1alpha1.DeploymentRun) bool {
		concerns := run.Spec.Project == binding.Spec.Project && run.Spec.Environment == binding.Spec.Environment
		if concerns {
			r.memory.endPause(run)
		}
		return concerns
	})
}

// ofRelease returns requests for the unfinished runs of a release's project. They may wait for the release, or be superseded
// by it if it has become ready.
func (r *Reconciler) ofRelease(ctx context.Context, o client.Object) []reconcile.Request {
	release, ok := o.(*v1alpha1.Release)
	if !ok {
		return nil
	}
	return r.unfinishedRuns(ctx, o.GetNamespace(), func(run *v1alpha1.DeploymentRun) bool { return run.Spec.Project == release.Spec.Project })
}

// ofEnvironment returns requests for the unfinished runs of an environment.
func (r *Reconciler) ofEnvironment(ctx context.Context, o client.Object) []reconcile.Request {
	return r.unfinishedRuns(ctx, o.GetNamespace(), func(run *v1alpha1.DeploymentRun) bool { return string(run.Spec.Environment) == o.GetName() })
}

// ofTarget returns requests for the active runs that have the target, and for the runs that have not started and do not wait
// for others: they may wait for its status.installed.
func (r *Reconciler) ofTarget(ctx context.Context, o client.Object) []reconcile.Request {
	requests := r.unfinishedRuns(ctx, o.GetNamespace(), func(run *v1alpha1.DeploymentRun) bool { return !resolved(run) && !r.memory.awaits(run) })
	for _, name := range r.memory.runsOf(o.GetNamespace(), o.GetName()) {
		requests = append(requests, reconcile.Request{NamespacedName: name})
	}
	return requests
}

// mayUnblock passes the changes of a run that may allow another run to start: the run started or ended, waits for something
// else, or was deleted.
func mayUnblock() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.DeploymentRun)
		after, also := e.ObjectNew.(*v1alpha1.DeploymentRun)
		return ok && also && (before.Status.Phase != after.Status.Phase || waitsForTurn(before) != waitsForTurn(after))
	}}
}
