package binding

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/optional"
)

// After a pass, the next one is put off, so that the changes of several targets in the meantime are handled, and written,
// together. The pause is pauseEach for each target of the binding, but at most maxPause. While a run is in progress the pause is
// longer, as only the progress changes.
const (
	pauseEach, maxPause               = time.Millisecond, time.Second
	pauseEachRunning, maxPauseRunning = 2 * time.Millisecond, 5 * time.Second
)

// pauseAfter returns the pause after a pass with this decision.
func pauseAfter(d decision) time.Duration {
	targets := time.Duration(d.Counts.Desired)
	if d.CurrentRun != "" || d.Make != nil {
		return min(targets*pauseEachRunning, maxPauseRunning)
	}
	return min(targets*pauseEach, maxPause)
}

// pause is the pause of one binding.
type pause struct {
	until time.Time
	// uid, generation and retry are those of the binding at the last pass, and run is the run that was in progress.
	uid        types.UID
	generation int64
	retry, run string
}

// startPause stores the pause of a binding after a pass.
func (r *Reconciler) startPause(b *v1alpha1.ReleaseBinding, d decision) {
	at := pause{until: r.Now().Add(pauseAfter(d)), uid: b.UID, generation: b.Generation, retry: b.Annotations[v1alpha1.AnnotationRetry], run: d.CurrentRun}
	if d.Make != nil {
		at.run = d.Make.Name
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pauses == nil {
		r.pauses = map[types.NamespacedName]pause{}
	}
	r.pauses[client.ObjectKeyFromObject(b)] = at
}

// pauseLeft returns the rest of the pause. It is 0 if the binding was changed, or if the run in progress has ended.
func (r *Reconciler) pauseLeft(ctx context.Context, b *v1alpha1.ReleaseBinding) (time.Duration, error) {
	r.mu.Lock()
	at, known := r.pauses[client.ObjectKeyFromObject(b)]
	r.mu.Unlock()
	left := at.until.Sub(r.Now())
	if !known || left <= 0 || at.uid != b.UID || at.generation != b.Generation || at.retry != b.Annotations[v1alpha1.AnnotationRetry] {
		return 0, nil
	}
	if at.run != "" {
		run, err := optional.Get(ctx, r.Client, b.Namespace, at.run, &v1alpha1.DeploymentRun{})
		if err != nil {
			return 0, fmt.Errorf("reading run: %w", err)
		}
		if run == nil || run.Status.Phase.IsTerminal() {
			return 0, nil
		}
	}
	return left, nil
}

// pass reconciles the binding of that name unless it is in a pause. If the binding does not exist, pass forgets it, as
// bindings have no finalizer.
func (r *Reconciler) pass(ctx context.Context, request reconcile.Request) (ctrl.Result, error) {
	b, err := optional.Get(ctx, r.Client, request.Namespace, request.Name, &v1alpha1.ReleaseBinding{})
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("reading the binding: %w", err)
	}
	if b == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.pauses, request.NamespacedName)
		return ctrl.Result{}, nil
	}
	if left, err := r.pauseLeft(ctx, b); err != nil || left > 0 {
		return ctrl.Result{RequeueAfter: left}, err
	}
	return r.Reconcile(ctx, b)
}
