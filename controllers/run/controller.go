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
	"github.com/mantledeploy/mantle/controllers/internal/notify"
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
	// Backlog returns how many actions of a namespace wait to be sent.
	Backlog(namespace string) int
	Tickets
}

// Tickets changes the course of single actions.
type Tickets interface {
	Cancel(ticket string)
	GiveUp(ticket string)
	Relocate(ticket string)
	Drop(ticket string)
}

// Logs stores the output of actions.
type Logs interface {
	// Sink returns the writer for the output of one action.
	Sink(namespace string, run types.UID, target, step string, attempt int32) dispatch.LogSink
	// Kept reports whether that output is on this replica's disk, without reading it.
	Kept(namespace string, run types.UID, target, step string, attempt int32) bool
	// Delete deletes all output of a run.
	Delete(namespace string, run types.UID) error
}

// Deps are the dependencies of a Reconciler.
type Deps struct {
	Dispatcher Dispatcher
	Identities compose.Identities
	Packages   compose.Packages
	Logs       Logs
	// Reports enqueues runs whose actions have a report, and Fetched runs whose packages were fetched or failed.
	Reports, Fetched source.Source
	Now              func() time.Time
	// Workers is how many runs are reconciled at once; 0 means fair.Many.
	Workers int
	// Metrics may be nil.
	Metrics *metrics.Metrics
}

// Reconciler carries out DeploymentRuns.
type Reconciler struct {
	Deps
	Client   client.Client // reads from the cache
	Reader   client.Reader // reads from the API server
	Recorder events.EventRecorder

	composer *compose.Composer
	memory   *memory
	// frozen reads processes from the cache, frozenUncached from the API server.
	frozen, frozenUncached *snapshot.Reader
	records                *recorded.Records
	// entered enqueues the next run that waits until others have started.
	entered  *notify.Notifier
	takeover *takeover
}

// New returns a Reconciler that uses the manager's clients.
func New(mgr ctrl.Manager, deps Deps) *Reconciler {
	return newReconciler(mgr.GetClient(), mgr.GetAPIReader(), mgr.GetEventRecorder("mantle"), deps)
}

func newReconciler(c client.Client, reader client.Reader, recorder events.EventRecorder, deps Deps) *Reconciler {
	return &Reconciler{Deps: deps, Client: c, Reader: reader, Recorder: recorder, memory: newMemory(),
		frozen: snapshot.NewReader(c), frozenUncached: snapshot.NewReader(reader), records: &recorded.Records{Client: c, Reader: reader, Now: deps.Now},
		entered:  notify.New(),
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

// Reconcile reads what the run depends on, makes and carries out one decision, and patches the status.
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
		return retry(err)
	}
	if pause := r.memory.pause(run, r.Now()); pause > 0 {
		return ctrl.Result{RequeueAfter: pause}, nil
	}
	before, started := run.DeepCopy(), r.Now()
	wait, err := r.proceed(ctx, run)
	if err == nil {
		var joined time.Duration
		joined, err = r.save(ctx, before, run)
		wait = soonest(wait, joined)
	}
	r.memory.passed(run, started, r.Now())
	if err != nil {
		r.failed(before, err)
		return retry(err)
	}
	if run.Status.Phase.IsTerminal() {
		return r.ended(ctx, run)
	}
	return ctrl.Result{RequeueAfter: wait}, nil
}

// failed makes the next pass read the run from the API server if another process writes as well, if a slice was deleted, or
// if the set of targets may have been fixed by a write that failed.
func (r *Reconciler) failed(run *v1alpha1.DeploymentRun, err error) {
	if status.IsConflict(err) || apierrors.IsNotFound(err) || !resolved(run) {
		r.memory.drop(run)
	}
}

// ended cleans up after a run that has ended.
func (r *Reconciler) ended(ctx context.Context, run *v1alpha1.DeploymentRun) (ctrl.Result, error) {
	wait, err := r.cleanUp(ctx, run)
	if err != nil {
		return retry(err)
	}
	return ctrl.Result{RequeueAfter: wait}, nil
}

// retry returns the result of a failed pass. A conflict is not an error: the object was changed in the meantime.
func retry(err error) (ctrl.Result, error) {
	if status.IsConflict(err) {
		return ctrl.Result{RequeueAfter: status.RetryConflict}, nil
	}
	return ctrl.Result{}, err
}

// latest returns the run, or nil if it does not exist. If this process knows what it wrote last, and the cache shows that or the
// status can be taken from memory, latest returns the cached object. Otherwise it reads from the API server,
// as an old object would make it finish the run twice, or create its slices again.
func (r *Reconciler) latest(ctx context.Context, key types.NamespacedName) (*v1alpha1.DeploymentRun, error) {
	run, err := optional.Get(ctx, r.Client, key.Namespace, key.Name, &v1alpha1.DeploymentRun{})
	if err != nil {
		return nil, fmt.Errorf("reading run %s: %w", key.Name, err)
	}
	if !r.memory.hasDeleted(key) && r.memory.update(run) {
		return run, nil
	}
	if run == nil || !run.Status.Phase.IsTerminal() {
		if run, err = optional.Get(ctx, r.Reader, key.Namespace, key.Name, &v1alpha1.DeploymentRun{}); err != nil {
			return nil, fmt.Errorf("reading run %s: %w", key.Name, err)
		}
	}
	return run, r.forget(ctx, key, run)
}

// proceed makes and carries out one decision for a run that has not ended. It returns when to reconcile it again.
func (r *Reconciler) proceed(ctx context.Context, run *v1alpha1.DeploymentRun) (time.Duration, error) {
	f, err := r.gather(ctx, run)
	switch {
	case err != nil:
		return 0, err
	case f.Active != nil:
		return r.advance(ctx, f)
	case resolved(run):
		return r.blocked(ctx, f)
	default:
		return r.admit(ctx, f)
	}
}

// save writes the status, and then sends the events of what changed, unless the write is put off.
func (r *Reconciler) save(ctx context.Context, before, run *v1alpha1.DeploymentRun) (time.Duration, error) {
	joined, err := r.write(ctx, before, run)
	if err == nil && joined == 0 {
		r.announce(before, run)
	}
	return joined, err
}

// write writes the status if it differs from what was written last. Until the set of targets is fixed, the patch has the
// resourceVersion, as another leader may have fixed it. If only the progress has changed, the write is put off, by up to
// ledger.WriteInterval, to join it with later changes; write then returns how long to wait.
func (r *Reconciler) write(ctx context.Context, before, run *v1alpha1.DeploymentRun) (time.Duration, error) {
	l := r.memory.get(run)
	patcher := status.NewPatcher(r.Client, before)
	if l == nil {
		if err := patcher.WithLock().Patch(ctx, run); err != nil {
			return 0, err
		}
		r.memory.wrote(run)
		return 0, nil
	}
	if equality.Semantic.DeepEqual(before.Status, run.Status) {
		return 0, nil
	}
	if wait := l.ledger.WriteInterval(l.took) - r.Now().Sub(l.saved); wait > 0 && sameState(before, run) {
		return wait, nil
	}
	if err := patcher.Patch(ctx, run); err != nil {
		return 0, err
	}
	l.ledger.Status, l.saved = *run.Status.DeepCopy(), r.Now()
	return 0, nil
}

// sameState reports whether two versions of a run differ only in its progress.
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
