//go:build unix

package scripts

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A disk that stands still must not take more of the daemon's threads the more scripts are started.
func TestSyncsOfAllStartsAreFew(t *testing.T) {
	var now, most atomic.Int64
	goOn := make(chan struct{})
	task := func() error {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-goOn
		now.Add(-1)
		return nil
	}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			tasks := make([]func() error, maxOpen)
			for i := range tasks {
				tasks[i] = task
			}
			if err := atOnce(tasks); err != nil {
				t.Error(err)
			}
		})
	}
	until(t, "as many as may be are under way", func() bool { return now.Load() == maxSyncs })
	time.AfterFunc(50*time.Millisecond, func() { close(goOn) })
	all.Wait()
	if n := most.Load(); n > maxSyncs {
		t.Errorf("%d syncs at once", n)
	}
}
