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

// takeover measures how long a replica that begins to lead takes until each unfinished run that it found had a pass.
type takeover struct {
	reader client.Reader
	now    func() time.Time
	done   func(took time.Duration)

	mu    sync.Mutex
	began time.Time
	// left are the runs that had no pass yet; nil before they were listed, and when all had one.
	left map[types.NamespacedName]struct{}
	over bool
}

// Start notes that this replica leads from now on. It is a manager's Runnable.
func (t *takeover) Start(context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.began.IsZero() {
		t.began = t.now()
	}
	return nil
}

// passed notes that a run had its pass. Nil measures nothing.
func (t *takeover) passed(ctx context.Context, name types.NamespacedName) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over || t.left == nil && !t.list(ctx) {
		return
	}
	delete(t.left, name)
	if len(t.left) == 0 {
		t.left, t.over = nil, true
		t.done(t.now().Sub(t.began))
	}
}

// list finds the runs that were there when this replica began to lead. Without one there was nothing to take over.
func (t *takeover) list(ctx context.Context) bool {
	var runs v1alpha1.DeploymentRunList
	if err := t.reader.List(ctx, &runs, client.MatchingFields{unfinished: "true"}, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "listing the runs to take over")
		return false
	}
	if t.began.IsZero() {
		t.began = t.now()
	}
	t.left = map[types.NamespacedName]struct{}{}
	for i := range runs.Items {
		if run := &runs.Items[i]; !run.CreationTimestamp.After(t.began) {
			t.left[nameOf(run)] = struct{}{}
		}
	}
	if len(t.left) == 0 {
		t.left, t.over = nil, true
		t.done(0)
	}
	return !t.over
}
