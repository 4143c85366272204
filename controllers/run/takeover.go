package run

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// takeover measures the time from the start of leadership until each run that was unfinished then has had a pass.
type takeover struct {
	reader client.Reader
	now    func() time.Time
	done   func(took time.Duration)

	mu    sync.Mutex
	began time.Time
	// remaining are the runs that had no pass yet; nil before they are listed, and when all had one.
	remaining map[types.NamespacedName]struct{}
	over      bool
}

// Start stores the start of leadership. It implements manager.Runnable.
func (t *takeover) Start(context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.began.IsZero() {
		t.began = t.now()
	}
	return nil
}

// passed stores that a run had a pass. On a nil takeover it does nothing.
func (t *takeover) passed(ctx context.Context, name types.NamespacedName) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over || t.remaining == nil && !t.list(ctx) {
		return
	}
	delete(t.remaining, name)
	if len(t.remaining) == 0 {
		t.remaining, t.over = nil, true
		t.done(t.now().Sub(t.began))
	}
}

// list lists the runs that existed at the start of leadership, and reports whether there are any to wait for.
func (t *takeover) list(ctx context.Context) bool {
	var runs v1alpha1.DeploymentRunList
	if err := t.reader.List(ctx, &runs, client.MatchingFields{unfinished: anyRun()}, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "cannot list the runs to take over")
		return false
	}
	if t.began.IsZero() {
		t.began = t.now()
	}
	t.remaining = map[types.NamespacedName]struct{}{}
	for i := range runs.Items {
		if run := &runs.Items[i]; !run.CreationTimestamp.After(t.began) {
			t.remaining[nameOf(run)] = struct{}{}
		}
	}
	if len(t.remaining) == 0 {
		t.remaining, t.over = nil, true
		t.done(0)
	}
	return !t.over
}
