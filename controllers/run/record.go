package run

import (
	"bytes"
	"context"
	"encoding/json"
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
	// maxSlice bounds the rows of a slice, in bytes of JSON; with metadata it stays under 256 KiB.
	maxSlice = 250 << 10
)

// write patches the slices whose rows changed: at once where something starts or the run ends, otherwise joined with
// what comes within the next second. It answers when to come again for what waits.
func (r *Reconciler) write(ctx context.Context, f facts, l *live, now bool) (time.Duration, error) {
	if len(l.dirty) == 0 {
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
		l.written(i)
	}
	l.flushed = f.Now
	return 0, nil
}

// written notes that a slice says what the rows here say.
func (l *live) written(i int) {
	delete(l.dirty, i)
	for k, row := range l.rows {
		if l.targets[k.Target].slice == i {
			row.stored = true
		}
	}
}

// close has every slice written that does not say yet how its targets ended: that may have changed without a change of
// their rows, as when no step for a failure can come any more.
func (l *live) close(summary plan.Summary) {
	for i, s := range l.slices {
		if !same(s.Status.Results, l.results(s.Spec.Targets, summary)) {
			l.dirty[i] = true
		}
	}
}

// same compares results as they are stored, with times in seconds.
func same(a, b []v1alpha1.TargetResult) bool {
	left, err := json.Marshal(a)
	if err != nil {
		return false
	}
	right, err := json.Marshal(b)
	return err == nil && bytes.Equal(left, right)
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

// results are the rows of a slice, target by target, step by step. The rows come first; messages and outputs share what
// is left of the slice's size.
func (l *live) results(targets []v1alpha1.SliceTarget, summary plan.Summary) []v1alpha1.TargetResult {
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
		results = append(results, result)
	}
	room := maxSlice - sizeOf(targets) - sizeOf(results)
	room -= l.addMessages(results, room/2)
	room = min(room, maxOutputs)
	for i := range results {
		results[i].Outputs, results[i].OutputsCut, room = fit(l.outputs[results[i].Target], room)
	}
	return results
}

// addMessages gives the rows their messages, in order, while there is room, and answers what they took.
func (l *live) addMessages(results []v1alpha1.TargetResult, room int) int {
	left := room
	for i := range results {
		for j := range results[i].Steps {
			step := &results[i].Steps[j]
			message := l.rows[plan.Key{Target: results[i].Target, Step: step.Name}].Message
			if size := sizeOf(message) + len(`"message":,`); message != "" && size <= left {
				step.Message = message
				left -= size
			}
		}
	}
	return room - left
}

// sizeOf is how long a value is as JSON.
func sizeOf(v any) int {
	content, err := json.Marshal(v)
	if err != nil {
		return maxSlice // plain data always has a JSON form
	}
	return len(content)
}

func action(name string, r *row) v1alpha1.ActionStatus {
	return v1alpha1.ActionStatus{Name: name, Phase: r.Phase, Attempt: r.Attempt, StartTime: stamp(r.StartTime), ExitCode: r.ExitCode,
		Seconds: r.seconds, Reason: r.Reason, Log: r.log}
}

// fit keeps as many outputs as there is room for, by name.
func fit(outputs map[string]string, room int) (kept map[string]string, dropped bool, left int) {
	names := make([]string, 0, len(outputs))
	for name := range outputs {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		size := sizeOf(name) + sizeOf(outputs[name]) + len(`:,`)
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
