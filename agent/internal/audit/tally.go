package audit

import (
	"sync"
	"time"
)

// Quiet is how long a Tally keeps quiet about what it has told.
const Quiet = time.Minute

// Counted is what a Tally tells: something of a kind, and how often it was so.
type Counted[K comparable, V any] struct {
	Kind  K
	Value V
	Count int64
}

// Tally has what others can repeat at will told boundedly: the first of a kind at once, those that follow within a minute
// as one, with their number. It has a timer only while something waits to be told. It is safe for concurrent use.
type Tally[K comparable, V any] struct {
	most   int
	beyond func(K) K
	merge  func(kept, v V) V
	tell   func(Counted[K, V])

	mu    sync.Mutex
	seen  map[K]*repeated[V]
	timer *time.Timer
}

type repeated[V any] struct {
	told  time.Time
	quiet int64
	value V
}

// NewTally makes a Tally that tells so many kinds apart at once; those beyond count as what beyond makes of them, which
// must be few. merge makes one of two values of a kind. tell is called for what waited for its time.
func NewTally[K comparable, V any](most int, beyond func(K) K, merge func(kept, v V) V, tell func(Counted[K, V])) *Tally[K, V] {
	return &Tally[K, V]{most: most, beyond: beyond, merge: merge, tell: tell, seen: map[K]*repeated[V]{}}
}

// Count counts v, and returns what it is time to tell; v itself comes last, where it is not to wait.
func (t *Tally[K, V]) Count(kind K, v V, now time.Time) (due []Counted[K, V]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.seen[kind]
	if r == nil && len(t.seen) >= t.most {
		due = t.forget(now)
	}
	if r == nil && len(t.seen) >= t.most {
		kind = t.beyond(kind)
		r = t.seen[kind]
	}
	if r == nil {
		r = &repeated[V]{}
		t.seen[kind] = r
	}
	if r.quiet++; r.quiet == 1 {
		r.value = v
	} else {
		r.value = t.merge(r.value, v)
	}
	if !r.told.IsZero() && now.Sub(r.told) < Quiet {
		t.arm(Quiet)
		return due
	}
	due = append(due, Counted[K, V]{kind, r.value, r.quiet})
	r.told, r.quiet = now, 0
	return due
}

// Flush tells what waits.
func (t *Tally[K, V]) Flush() {
	t.mu.Lock()
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
	due := t.forget(time.Now().Add(Quiet))
	t.mu.Unlock()
	for _, d := range due {
		t.tell(d)
	}
}

// arm has what waits told after so long, if nothing else is counted until then. Who calls it holds mu.
func (t *Tally[K, V]) arm(after time.Duration) {
	if t.timer == nil {
		t.timer = time.AfterFunc(after, func() { t.expire(time.Now()) })
	}
}

func (t *Tally[K, V]) expire(now time.Time) {
	t.mu.Lock()
	t.timer = nil
	due := t.forget(now)
	next := Quiet + 1
	for _, r := range t.seen {
		if r.quiet > 0 {
			next = min(next, Quiet-now.Sub(r.told))
		}
	}
	if next <= Quiet {
		t.arm(next)
	}
	t.mu.Unlock()
	for _, d := range due {
		t.tell(d)
	}
}

// forget makes room: a kind of which nothing was told for a minute is as good as new. It returns what was not told of
// them. Who calls it holds mu.
func (t *Tally[K, V]) forget(now time.Time) (due []Counted[K, V]) {
	for kind, r := range t.seen {
		if now.Sub(r.told) < Quiet {
			continue
		}
		if r.quiet > 0 {
			due = append(due, Counted[K, V]{kind, r.value, r.quiet})
		}
		delete(t.seen, kind)
	}
	return due
}
