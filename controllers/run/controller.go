package run

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/compose"
	"github.com/mantledeploy/mantle/controllers/internal/dispatch"
	"github.com/mantledeploy/mantle/controllers/internal/metrics"
	"github.com/mantledeploy/mantle/controllers/internal/optional"
	"github.com/mantledeploy/mantle/controllers/internal/recorded"
	"github.com/mantledeploy/mantle/controllers/internal/session"
	"github.com/mantledeploy/mantle/controllers/internal/snapshot"
	"github.com/mantledeploy/mantle/controllers/internal/status"
)

// Dispatcher carries out actions; dispatch.Dispatcher is one. No method waits for a machine.
type Dispatcher interface {
	Dispatch(a dispatch.Action)
	Drain(owner types.UID) []dispatch.Report
	Acknowledge(owner types.UID, m session.Machine, ticket string)
	Forget(owner types.UID)
	Tickets
}

// Tickets changes the course of single actions.
type Tickets interface {
	Cancel(ticket string)
	GiveUp(ticket string)
	Relocate(ticket string)
	Drop(ticket string)
}

// Logs keeps the output of actions.
type Logs interface {
	// Sink takes the output of one action.
	Sink(namespace string, run types.UID, target, step string, attempt int32) dispatch.LogSink
	// Kept tells whether that output is here, without reading it.
	Kept(namespace string, run types.UID, target, step string, attempt int32) bool
	// Delete drops the output of a whole run.
	Delete(namespace string, run types.UID) error
}

// Deps are the doors that a run goes through.
type Deps struct {
	Dispatcher Dispatcher
	Identities compose.Identities
	Packages   compose.Packages
	Logs       Logs
	// Reports are the runs whose actions have news, Fetched those whose packages have.
	Reports, Fetched source.Source
	Now              func() time.Time
	// Workers is how many runs are worked on at once; 0 is fair.Many.
	Workers int
	// Metrics may be nil.
	Metrics *metrics.Metrics
}

// Reconciler carries out DeploymentRuns.
type Reconciler struct {
	Deps
	Client   client.Client // reads through the cache
	Reader   client.Reader // reads past the cache
	Recorder events.EventRecorder

	composer *compose.Composer
	memory   *memory
	// frozen reads processes through the cache, frozenLive past it.
	frozen, frozenLive *snapshot.Reader
	records            *recorded.Records
	takeover           *takeover
}

// New makes a Reconciler for the manager.
func New(mgr ctrl.Manager, deps Deps) *Reconciler {
	return newReconciler(mgr.GetClient(), mgr.GetAPIReader(), mgr.GetEventRecorder("mantle"), deps)
}

func newReconciler(c client.Client, reader client.Reader, recorder events.EventRecorder, deps Deps) *Reconciler {
	return &Reconciler{Deps: deps, Client: c, Reader: reader, Recorder: recorder, memory: newMemory(),
		frozen: snapshot.NewReader(c), frozenLive: snapshot.NewReader(reader), records: &recorded.Records{Client: c, Reader: reader, Now: deps.Now},
		composer: &compose.Composer{Cached: c, Live: reader, Identities: deps.Identities, Packages: deps.Packages, Now: deps.Now}}
}

// +kubebuilder:rbac:groups=mantle.dev,resources=deploymentruns,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=mantle.dev,resources=deploymentruns/status,verbs=patch
// +kubebuilder:rbac:groups=mantle.dev,resources=deploymentruns/finalizers,verbs=update
// +kubebuilder:rbac:groups=mantle.dev,resources=deploymentrunslices,verbs=get;list;watch;create;delete
// +kubebuilder:rbac:groups=mantle.dev,resources=deploymentrunslices/status,verbs=patch
// +kubebuilder:rbac:groups=mantle.dev,resources=releasebindings;releases;environments;deploymenttargets;targetpolicies,verbs=get;list;watch
// +kubebuilder:rbac:groups=apps,resources=controllerrevisions,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups="",resources=secrets;configmaps;namespaces,verbs=get
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile gathers the facts, takes the run one decision further, and writes down what is now true.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	result, err := r.pass(ctx, request)
	if err == nil {
		r.takeover.passed(ctx, request.NamespacedName)
	}
	return result, err
}

func (r *Reconciler) pass(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	run, err := r.latest(ctx, request.NamespacedName)
	if err != nil || run == nil {
		return ctrl.Result{}, err
	}
	if run.Status.Phase.IsTerminal() {
		return r.ended(ctx, run)
	}
	if held, err := r.addFinalizer(ctx, run); err != nil || !held {
		return again(err)
	}
	if rest := r.memory.rest(run, r.Now()); rest > 0 {
		return ctrl.Result{RequeueAfter: rest}, nil
	}
	before, started := run.DeepCopy(), r.Now()
	wait, err := r.step(ctx, run)
	if err == nil {
		var joined time.Duration
		joined, err = r.save(ctx, before, run)
		wait = soonest(wait, joined)
	}
	r.memory.passed(run, started, r.Now())
	if status.IsConflict(err) || apierrors.IsNotFound(err) {
		// Another process writes, too, or a slice is gone: the next pass reads the run from the API server.
		r.memory.drop(run)
	}
	if err != nil {
		return again(err)
	}
	if run.Status.Phase.IsTerminal() {
		return r.ended(ctx, run)
	}
	return ctrl.Result{RequeueAfter: wait}, nil
}

// ended cleans up after a run that has ended.
func (r *Reconciler) ended(ctx context.Context, run *v1alpha1.DeploymentRun) (ctrl.Result, error) {
	wait, err := r.cleanUp(ctx, run)
	if err != nil {
		return again(err)
	}
	return ctrl.Result{RequeueAfter: wait}, nil
}

// again is the result of a pass that failed. A conflict is no error: somebody else was faster.
func again(err error) (ctrl.Result, error) {
	if status.IsConflict(err) {
		return ctrl.Result{RequeueAfter: status.RetryConflict}, nil
	}
	return ctrl.Result{}, err
}

// latest gives the run as it is now; nil if it is gone. If this process holds the run in memory, the cached view serves,
// with the status that this process wrote last: the cache may be late. Otherwise the run is read past the cache, as an
// old view would end it twice, or make its slices again.
func (r *Reconciler) latest(ctx context.Context, key types.NamespacedName) (*v1alpha1.DeploymentRun, error) {
	run, err := optional.Get(ctx, r.Client, key.Namespace, key.Name, &v1alpha1.DeploymentRun{})
	if err != nil {
		return nil, fmt.Errorf("reading run %s: %w", key.Name, err)
	}
	if l := r.memory.of(run); l != nil && !r.memory.hasGone(key) {
		run.Status = *l.ledger.Status.DeepCopy()
		return run, nil
	}
	if run == nil || !run.Status.Phase.IsTerminal() {
		if run, err = optional.Get(ctx, r.Reader, key.Namespace, key.Name, &v1alpha1.DeploymentRun{}); err != nil {
			return nil, fmt.Errorf("reading run %s: %w", key.Name, err)
		}
	}
	return run, r.forget(ctx, key, run)
}

// step takes a run that has not ended one decision further, and answers when to come again.
func (r *Reconciler) step(ctx context.Context, run *v1alpha1.DeploymentRun) (time.Duration, error) {
	f, err := r.gather(ctx, run)
	switch {
	case err != nil:
		return 0, err
	case f.Live != nil:
		return r.advance(ctx, f)
	case resolved(run):
		return r.cannotGoOn(ctx, f)
	default:
		return r.admit(ctx, f)
	}
}

// save writes the status, unless that waits for more, and makes the events of what it changed.
func (r *Reconciler) save(ctx context.Context, before, run *v1alpha1.DeploymentRun) (time.Duration, error) {
	joined, err := r.write(ctx, before, run)
	if err == nil && joined == 0 {
		r.announce(before, run)
	}
	return joined, err
}

// write writes the status, compared with what was written last. Until the set of targets is fixed, the write carries the
// resourceVersion: another leader may have fixed it. What only tells how far the run is waits for what comes within the
// next second, or five of a large run; the answer is how long.
func (r *Reconciler) write(ctx context.Context, before, run *v1alpha1.DeploymentRun) (time.Duration, error) {
	l := r.memory.of(run)
	patcher := status.NewPatcher(r.Client, before)
	if l == nil {
		return 0, patcher.WithLock().Patch(ctx, run)
	}
	if equality.Semantic.DeepEqual(before.Status, run.Status) {
		return 0, nil
	}
	if wait := l.ledger.WriteInterval() - r.Now().Sub(l.saved); wait > 0 && sameState(before, run) {
		return wait, nil
	}
	if err := patcher.Patch(ctx, run); err != nil {
		return 0, err
	}
	l.ledger.Status, l.saved = *run.Status.DeepCopy(), r.Now()
	return 0, nil
}

// sameState tells whether two versions of a run differ only in how far it is.
func sameState(a, b *v1alpha1.DeploymentRun) bool {
	if a.Status.Phase != b.Status.Phase || a.Status.ObservedGeneration != b.Status.ObservedGeneration || len(a.Status.Conditions) != len(b.Status.Conditions) {
		return false
	}
	for _, c := range b.Status.Conditions {
		was := meta.FindStatusCondition(a.Status.Conditions, c.Type)
		if was == nil || was.Status != c.Status || was.Reason != c.Reason {
			return false
		}
	}
	return true
}
