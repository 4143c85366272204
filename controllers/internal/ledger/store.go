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
	// joined and joinedLarge are the least times between two writes of progress to the slices of a run, by its size.
	joined      = time.Second
	joinedLarge = 5 * time.Second
	largeRun    = 1000
	// writers is how many slices of a run are written at once.
	writers = 8
)

// Due tells when progress that is not written yet has to be: 0 where there is none.
func (l *Ledger) Due(now time.Time) (wait time.Duration, due bool) {
	if len(l.dirty) == 0 {
		return 0, false
	}
	wait = l.Pace() - now.Sub(l.written)
	return max(wait, 0), wait <= 0
}

// Pace is the least time between two writes of progress.
func (l *Ledger) Pace() time.Duration {
	if len(l.Targets) > largeRun {
		return joinedLarge
	}
	return joined
}

// Begins tells whether an attempt waits to be written before it can be dispatched.
func (l *Ledger) Begins() bool {
	begins := false
	l.All(func(_ Key, a *Attempt) { begins = begins || a.state == Planned && !a.away })
	return begins
}

// Close has every slice written that does not say yet how its targets ended: that may change without a change of their
// rows, as when no step for a failure can come any more.
func (l *Ledger) Close(standings []Standing) {
	for i, s := range l.slices {
		if !same(s.Status.Results, l.results(i, standings)) {
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

// Store writes the slices whose rows changed, several at once. What a slice says by then is Recorded or Stored, also
// where another slice could not be written. An error that is a conflict means that another process writes, too. A slice
// that is gone is passed over where gone is true: a terminating namespace takes the slices first.
func (l *Ledger) Store(ctx context.Context, c client.Client, now time.Time, standings []Standing, gone bool) error {
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
		slice.Status.Results = l.results(i, standings)
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

// resultsOf is the patch that writes the results of a slice, which are one list, where nobody else has written the slice
// since it was read. Nothing is compared for it, as a slice is a hundred rows long. It knows how large it was.
type resultsOf struct {
	bytes int
}

// Type implements client.Patch.
func (*resultsOf) Type() types.PatchType { return types.MergePatchType }

// Data implements client.Patch.
func (p *resultsOf) Data(o client.Object) ([]byte, error) {
	slice, ok := o.(*v1alpha1.DeploymentRunSlice)
	if !ok {
		return nil, fmt.Errorf("writing the results of %T: it is no slice", o)
	}
	results := slice.Status.Results
	if results == nil {
		results = []v1alpha1.TargetResult{}
	}
	data, err := json.Marshal(map[string]any{"metadata": map[string]string{"resourceVersion": slice.ResourceVersion}, "status": map[string]any{"results": results}})
	p.bytes = len(data)
	return data, err
}

// stored notes that a slice says what the rows here say.
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
			a.state = Acknowledged // no machine knows of it
		case a.state == Ended:
			a.state = Stored
		}
	})
}
