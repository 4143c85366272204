package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

const (
	// writeInterval is the least time between two writes of progress to the slices of a run, writeIntervalLarge that of a
	// run with more than largeRun targets. While the API server is slow it is slowFactor times as long as a pass takes, and
	// at most writeIntervalLarge.
	writeInterval      = time.Second
	writeIntervalLarge = 5 * time.Second
	largeRun           = 1000
	slowFactor         = 8
	// writers is how many slices of a run are written at the same time.
	writers = 8
)

// Due returns when unwritten progress must be written, and whether that is now; 0 and false if there is none. took is how
// long the last pass took.
func (l *Ledger) Due(now time.Time, took time.Duration) (wait time.Duration, due bool) {
	if len(l.dirty) == 0 {
		return 0, false
	}
	wait = l.WriteInterval(took) - now.Sub(l.written)
	return max(wait, 0), wait <= 0
}

// WriteInterval returns the least time between two writes of progress, if the last pass took that long.
func (l *Ledger) WriteInterval(took time.Duration) time.Duration {
	if len(l.Targets) > largeRun {
		return writeIntervalLarge
	}
	return min(max(writeInterval, slowFactor*took), writeIntervalLarge)
}

// HasPlanned reports whether an attempt must be written before it can be dispatched.
func (l *Ledger) HasPlanned() bool {
	begins := false
	l.All(func(_ Key, a *Attempt) { begins = begins || a.state == Planned && !a.away })
	return begins
}

// Close marks every slice as changed whose results are not up to date. A target's result can change without a change of
// its rows, for example when no Failure step can follow any more.
func (l *Ledger) Close(summaries []TargetSummary) {
	for i, s := range l.slices {
		if !same(s.Status.Results, l.results(i, summaries)) {
			l.dirty[i] = true
		}
	}
}

// same compares results in their stored form, with times in seconds.
func same(a, b []v1alpha1.TargetResult) bool {
	left, err := json.Marshal(a)
	if err != nil {
		return false
	}
	right, err := json.Marshal(b)
	return err == nil && bytes.Equal(left, right)
}

// Store writes the slices whose rows changed, several at once. The attempts in a written slice are then Recorded or
// Stored, even if another slice could not be written. An error that is a conflict means that another process writes
// too. If gone is true a missing slice is ignored: a terminating namespace deletes the slices first.
func (l *Ledger) Store(ctx context.Context, c client.Client, now time.Time, summaries []TargetSummary, gone bool) error {
	parts := make([]int, 0, len(l.dirty))
	for i := range l.dirty {
		parts = append(parts, i)
	}
	slices.Sort(parts)
	after := make([]*v1alpha1.DeploymentRunSlice, len(parts))
	var group errgroup.Group
	group.SetLimit(writers)
	for n, i := range parts {
		slice := l.slices[i].DeepCopy()
		slice.Status.Results = l.results(i, summaries)
		group.Go(func() error {
			patch := &resultsOf{}
			begun := time.Now()
			err := c.Status().Patch(ctx, slice, patch)
			if l.Written != nil {
				l.Written(time.Since(begun), patch.bytes, err)
			}
			if gone && err != nil && client.IgnoreNotFound(err) == nil {
				err = nil
			}
			if err != nil {
				return fmt.Errorf("writing slice %s: %w", slice.Name, err)
			}
			after[n] = slice
			return nil
		})
	}
	err := group.Wait()
	for n, i := range parts {
		if after[n] != nil {
			l.slices[i] = after[n]
			l.stored(i)
		}
	}
	if err == nil {
		l.written = now
	}
	return err
}

// resultsOf is the patch that replaces the results of a slice, if the slice was not changed since it was read. It
// always has all results, because a comparison of a hundred rows costs more. It records its size.
type resultsOf struct {
	bytes int
}

// Type implements client.Patch.
func (*resultsOf) Type() types.PatchType { return types.MergePatchType }

// Data implements client.Patch.
func (p *resultsOf) Data(o client.Object) ([]byte, error) {
	slice, ok := o.(*v1alpha1.DeploymentRunSlice)
	if !ok {
		return nil, fmt.Errorf("writing the results of %T: it is not a slice", o)
	}
	results := slice.Status.Results
	if results == nil {
		results = []v1alpha1.TargetResult{}
	}
	data, err := json.Marshal(map[string]any{"metadata": map[string]string{"resourceVersion": slice.ResourceVersion}, "status": map[string]any{"results": results}})
	p.bytes = len(data)
	return data, err
}

// stored records that a slice was written.
func (l *Ledger) stored(part int) {
	delete(l.dirty, part)
	l.All(func(k Key, a *Attempt) {
		if l.sliceOf[k.Target] != part {
			return
		}
		switch {
		case a.state == Planned && !a.away:
			a.state = Recorded
		case a.state == Ended && a.Number == 0:
			a.state = Acknowledged // it was never sent to a machine
		case a.state == Ended:
			a.state = Stored
		}
	})
}
