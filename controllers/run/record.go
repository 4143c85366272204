package run

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/plan"
)

const (
	// maxMessage bounds the message of an action, in bytes.
	maxMessage = 1024
	// maxOutputs bounds the outputs of a slice, in bytes.
	maxOutputs = 64 << 10
)

// write patches the slices whose rows changed: at once where something starts or the run ends, otherwise joined with
// what comes within the next second. It answers when to come again for what waits.
func (r *Reconciler) write(ctx context.Context, f facts, l *live, now bool) (time.Duration, error) {
	if len(l.dirty) == 0 {
		r.completeWritten(ctx, f, l)
		return 0, nil
	}
	every := flushEvery
	if len(l.targets) > largeRun {
		every = flushEveryLarge
	}
	if wait := every - f.Now.Sub(l.flushed); !now && wait > 0 {
		return wait, nil
	}
	summary := plan.Summarize(planFacts(f, l))
	for i := range l.dirty {
		if err := r.writeSlice(ctx, f, l, i, summary); err != nil {
			return 0, err
		}
	}
	l.dirty, l.flushed = map[int]bool{}, f.Now
	r.completeWritten(ctx, f, l)
	return 0, nil
}

// completeWritten tells the machines of every result that is written by now.
func (r *Reconciler) completeWritten(ctx context.Context, f facts, l *live) {
	for k, row := range l.rows {
		if row.Phase.IsTerminal() && row.Attempt > 0 && !row.completed {
			r.complete(ctx, f, l, k)
		}
	}
}

// writeSlice patches one slice; a conflict means that another process has it, too.
func (r *Reconciler) writeSlice(ctx context.Context, f facts, l *live, i int, summary plan.Summary) error {
	before := l.slices[i]
	after := before.DeepCopy()
	after.Status.Results = l.results(after.Spec.Targets, summary)
	err := r.Client.Status().Patch(ctx, after, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if client.IgnoreNotFound(err) == nil && err != nil && !f.Run.DeletionTimestamp.IsZero() {
		return nil // a terminating namespace takes the slices first
	}
	if err != nil {
		return fmt.Errorf("writing slice %s: %w", before.Name, err)
	}
	l.slices[i] = after
	return nil
}

// results are the rows of a slice, target by target, step by step.
func (l *live) results(targets []v1alpha1.SliceTarget, summary plan.Summary) []v1alpha1.TargetResult {
	room := maxOutputs
	var results []v1alpha1.TargetResult
	for _, t := range targets {
		result := v1alpha1.TargetResult{Target: t.Name}
		for _, leaf := range v1alpha1.Leaves(l.process.Steps) {
			if row := l.rows[plan.Key{Target: t.Name, Step: leaf.Path}]; row != nil && row.Phase != "" {
				result.Steps = append(result.Steps, action(leaf.Path, row))
			}
		}
		if len(result.Steps) == 0 {
			continue
		}
		s := summary.Results[t.Name]
		result.Phase, result.Reason = s.Phase, s.Reason
		result.StartTime, result.FinishTime = stamp(s.StartTime), stamp(s.FinishTime)
		result.Outputs, result.OutputsCut, room = fit(l.outputs[t.Name], room)
		results = append(results, result)
	}
	return results
}

func action(name string, r *row) v1alpha1.ActionStatus {
	return v1alpha1.ActionStatus{Name: name, Phase: r.Phase, Attempt: r.Attempt, StartTime: stamp(r.StartTime), ExitCode: r.ExitCode,
		Seconds: r.seconds, Reason: r.Reason, Message: r.Message, Log: r.log}
}

// fit keeps as many outputs as there is room for, by name.
func fit(outputs map[string]string, room int) (kept map[string]string, dropped bool, left int) {
	names := make([]string, 0, len(outputs))
	for name := range outputs {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		size := len(name) + len(outputs[name])
		if size > room {
			dropped = true
			continue
		}
		if kept == nil {
			kept = map[string]string{}
		}
		kept[name] = outputs[name]
		room -= size
	}
	return kept, dropped, room
}

func stamp(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	at := metav1.NewTime(t)
	return &at
}

// cut shortens a text to n bytes, keeping its end, where what went wrong usually is.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	text = text[len(text)-n+len("…"):]
	for len(text) > 0 && text[0]&0xC0 == 0x80 {
		text = text[1:]
	}
	return "…" + text
}
