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

// A binding rests after a pass, for a time that grows with its targets: each of them tells by itself how it is, and what
// several tell meanwhile is taken in, and written, together. Those of the namespace that are not its own cost a pass a tenth
// of that. While its run goes on it rests for longer, as all that changes is how far that is.
const (
	restEach, longestRest               = time.Millisecond, time.Second
	restEachRunning, longestRestRunning = 2 * time.Millisecond, 5 * time.Second
)

// restFor is how long a binding rests after a pass that decided so, having seen so many targets.
func restFor(d decision, seen int) time.Duration {
	targets := time.Duration(int(d.Counts.Desired) + seen/10)
	if d.CurrentRun != "" || d.Make != nil {
		return min(targets*restEachRunning, longestRestRunning)
	}
	return min(targets*restEach, longestRest)
}

// rest is that of one binding.
type rest struct {
	until time.Time
	// uid, generation and retry are what the last pass saw, and run is the one that went on then.
	uid        types.UID
	generation int64
	retry, run string
}

// rests notes that the binding rests.
func (r *Reconciler) rests(f facts, d decision) {
	b := f.Binding
	at := rest{until: r.Now().Add(restFor(d, f.Seen)), uid: b.UID, generation: b.Generation, retry: b.Annotations[v1alpha1.AnnotationRetry], run: d.CurrentRun}
	if d.Make != nil {
		at.run = d.Make.Name
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.resting == nil {
		r.resting = map[types.NamespacedName]rest{}
	}
	r.resting[client.ObjectKeyFromObject(b)] = at
}

// left is how long the next pass is put off. What a person changed, and the end of the run, is answered at once.
func (r *Reconciler) left(ctx context.Context, b *v1alpha1.ReleaseBinding) (time.Duration, error) {
	r.mu.Lock()
	at, known := r.resting[client.ObjectKeyFromObject(b)]
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

// pass reconciles the binding of a name unless it rests, and forgets one that is gone: it has no finalizer.
func (r *Reconciler) pass(ctx context.Context, request reconcile.Request) (ctrl.Result, error) {
	b, err := optional.Get(ctx, r.Client, request.Namespace, request.Name, &v1alpha1.ReleaseBinding{})
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("reading the binding: %w", err)
	}
	if b == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.resting, request.NamespacedName)
		return ctrl.Result{}, nil
	}
	if left, err := r.left(ctx, b); err != nil || left > 0 {
		return ctrl.Result{RequeueAfter: left}, err
	}
	return r.Reconcile(ctx, b)
}
