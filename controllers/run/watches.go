package run

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

// unfinished is the index of runs that have not ended. They are found by one of the values that the following functions return.
const unfinished = "run.unfinished"

func anyRun() string                               { return "any" }
func byProject(project v1alpha1.ObjectName) string { return "project " + string(project) }
func byEnvironment(environment string) string      { return "environment " + environment }
func byTurn(t turn) string                         { return "turn " + string(t.project) + " " + string(t.environment) }

// indexUnfinished returns the values of a run for the index.
func indexUnfinished(o client.Object) []string {
	run, ok := o.(*v1alpha1.DeploymentRun)
	if !ok || run.Status.Phase.IsTerminal() {
		return nil
	}
	return []string{anyRun(), byProject(run.Spec.Project), byEnvironment(string(run.Spec.Environment)), byTurn(turnOf(run))}
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
		Watches(&v1alpha1.DeploymentRun{}, fair.Mapped(r.waitingBehind), builder.WithPredicates(unblocks())).
		Watches(&v1alpha1.DeploymentRun{}, handler.Funcs{DeleteFunc: r.deleted}).
		Watches(&v1alpha1.ReleaseBinding{}, fair.Mapped(r.ofBinding), specChanged).
		Watches(&v1alpha1.Release{}, fair.Mapped(r.ofRelease), builder.WithPredicates(watch.Releases())).
		Watches(&v1alpha1.Environment{}, fair.Mapped(r.ofEnvironment), builder.WithPredicates(watch.Existence())).
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

// unfinishedRuns returns the unfinished runs of a namespace that the index has under a value. They are shared with the cache
// and must not be modified.
func (r *Reconciler) unfinishedRuns(ctx context.Context, namespace, value string) []v1alpha1.DeploymentRun {
	var runs v1alpha1.DeploymentRunList
	if err := r.Client.List(ctx, &runs, client.InNamespace(namespace), client.MatchingFields{unfinished: value}, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "listing runs")
	}
	return runs.Items
}

// requestsFor returns requests for the runs that match.
func requestsFor(runs []v1alpha1.DeploymentRun, match func(*v1alpha1.DeploymentRun) bool) (requests []reconcile.Request) {
	for i := range runs {
		if match(&runs[i]) {
			requests = append(requests, reconcile.Request{NamespacedName: nameOf(&runs[i])})
		}
	}
	return requests
}

// waitingBehind returns requests for the runs of the project and environment that waited for a run: the first that waits for
// its turn, and the one directly behind the run.
func (r *Reconciler) waitingBehind(ctx context.Context, o client.Object) []reconcile.Request {
	left, ok := o.(*v1alpha1.DeploymentRun)
	if !ok {
		return nil
	}
	runs := r.unfinishedRuns(ctx, o.GetNamespace(), byTurn(turnOf(left)))
	var first, behind *v1alpha1.DeploymentRun
	for i := range runs {
		run := &runs[i]
		if resolved(run) || !waitsForTurn(run) || run.UID == left.UID {
			continue
		}
		if first == nil || older(run, first) {
			first = run
		}
		if older(left, run) && (behind == nil || older(run, behind)) {
			behind = run
		}
	}
	return requestsFor(runs, func(run *v1alpha1.DeploymentRun) bool { return run == first || run == behind })
}

// ofBinding returns requests for the runs of a binding's project and environment. The binding can supersede its own runs, and
// make others wait.
func (r *Reconciler) ofBinding(ctx context.Context, o client.Object) []reconcile.Request {
	binding, ok := o.(*v1alpha1.ReleaseBinding)
	if !ok {
		return nil
	}
	runs := r.unfinishedRuns(ctx, o.GetNamespace(), byTurn(turn{binding.Namespace, binding.Spec.Project, binding.Spec.Environment}))
	return requestsFor(runs, func(run *v1alpha1.DeploymentRun) bool {
		r.memory.endPause(run)
		return true
	})
}

// ofRelease returns requests for the unfinished runs of a release, which may wait for it, and for those of bindings of its
// project, which it may supersede if it has become ready.
func (r *Reconciler) ofRelease(ctx context.Context, o client.Object) []reconcile.Request {
	release, ok := o.(*v1alpha1.Release)
	if !ok {
		return nil
	}
	return requestsFor(r.unfinishedRuns(ctx, o.GetNamespace(), byProject(release.Spec.Project)), func(run *v1alpha1.DeploymentRun) bool {
		return run.Spec.Release == release.Spec.Version || metav1.GetControllerOf(run) != nil
	})
}

// ofEnvironment returns requests for the unfinished runs of an environment: one that is missing makes them wait.
func (r *Reconciler) ofEnvironment(ctx context.Context, o client.Object) []reconcile.Request {
	return requestsFor(r.unfinishedRuns(ctx, o.GetNamespace(), byEnvironment(o.GetName())), func(*v1alpha1.DeploymentRun) bool { return true })
}

// ofTarget returns requests for the active runs that have the target, and for the runs that wait for its status.installed.
func (r *Reconciler) ofTarget(_ context.Context, o client.Object) (requests []reconcile.Request) {
	for _, name := range r.memory.runsOf(o.GetNamespace(), o.GetName()) {
		requests = append(requests, reconcile.Request{NamespacedName: name})
	}
	return requests
}

// blocks reports whether a run makes others of its project and environment wait.
func blocks(run *v1alpha1.DeploymentRun) bool {
	return !run.Status.Phase.IsTerminal() && (run.Status.StartTime != nil || waitsForTurn(run))
}

// unblocks selects the changes of a run after which it does not make others wait any more: it ended, waits for something else,
// or was deleted.
func unblocks() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, ok := e.ObjectOld.(*v1alpha1.DeploymentRun)
			after, is := e.ObjectNew.(*v1alpha1.DeploymentRun)
			return ok && is && blocks(before) && (before.UID != after.UID || !blocks(after))
		},
	}
}
