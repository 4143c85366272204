package packages

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
)

// entry is the state of one reference.
type entry struct {
	ref    Ref
	owners map[types.UID]Owner
	// pending is true while it waits for a fetch or is fetched; cancel is set while it is fetched.
	pending bool
	cancel  context.CancelFunc
	// pkg or err is the result of the last fetch.
	pkg Package
	err error
	// again is when a failure is retried, and when an entry without owners is deleted.
	again   time.Time
	backoff wait.Backoff
}

// entry returns the entry of a reference; it creates it if there is none.
func (c *Cache) entry(ref Ref) *entry {
	e := c.entries[ref]
	if e == nil {
		e = &entry{ref: ref, owners: map[types.UID]Owner{}, backoff: c.backoff()}
		c.entries[ref] = e
		c.held[ref.Namespace]++
	}
	return e
}

func (c *Cache) own(owner Owner, e *entry) {
	e.owners[owner.UID] = owner
	if c.owned[owner.UID] == nil {
		c.owned[owner.UID] = map[Ref]*entry{}
	}
	c.owned[owner.UID][e.ref] = e
}

// drop deletes an entry without owners.
func (c *Cache) drop(e *entry) {
	delete(c.entries, e.ref)
	if c.held[e.ref.Namespace]--; c.held[e.ref.Namespace] == 0 {
		delete(c.held, e.ref.Namespace)
	}
}

// dropIdle deletes an entry without owners, unless it is a failure whose retry time has not passed.
func (c *Cache) dropIdle(e *entry, now time.Time) {
	if !e.pending && len(e.owners) == 0 && !now.Before(e.again) {
		c.drop(e)
	}
}

// sweep calls dropIdle for all entries, at most once in RetryAfter.
func (c *Cache) sweep(now time.Time) {
	if now.Sub(c.swept) < c.config.RetryAfter {
		return
	}
	c.swept = now
	for _, e := range c.entries {
		c.dropIdle(e, now)
	}
}

// startNext starts the fetches whose turn it is.
func (c *Cache) startNext() {
	for c.ctx.Err() == nil {
		e := c.turns.next()
		if e == nil {
			return
		}
		if len(e.owners) == 0 { // it is no longer needed
			c.turns.over(e)
			c.drop(e)
			continue
		}
		ctx, cancel := context.WithCancel(c.ctx)
		e.cancel = cancel
		c.done.Go(func() { c.run(ctx, e) })
	}
}

func (c *Cache) run(ctx context.Context, e *entry) {
	begun := time.Now()
	p, err := c.fetch(ctx, e.ref)
	if ctx.Err() == nil {
		c.config.Fetched(time.Since(begun), p.Size, err)
	}
	for _, owner := range c.ended(ctx, e, p, err) {
		c.config.Notify(owner)
	}
}

// ended stores the result of a fetch, and returns the owners to notify.
func (c *Cache) ended(ctx context.Context, e *entry, p Package, err error) []Owner {
	c.mu.Lock()
	defer c.mu.Unlock()
	abandoned := ctx.Err() != nil && errors.Is(err, context.Canceled)
	e.cancel()
	e.cancel = nil
	c.turns.over(e)
	defer c.startNext()
	if abandoned {
		if len(e.owners) > 0 { // another owner needs it now
			c.turns.push(e)
		} else {
			c.drop(e)
		}
		return nil
	}
	e.pending, e.pkg, e.err = false, p, err
	if err == nil {
		e.backoff = c.backoff()
		e.again = c.config.Now().Add(c.config.RetryAfter)
	} else {
		e.again = c.config.Now().Add(e.backoff.Step())
	}
	return slices.Collect(maps.Values(e.owners))
}

// turns decides which namespace fetches next.
type turns struct {
	all, each int
	running   int
	of        map[string]int // running, by namespace
	waiting   map[string][]*entry
	order     []string // of the namespaces that wait; the first is next
}

func newTurns(all int) *turns {
	return &turns{all: all, each: max(all/2, 1), of: map[string]int{}, waiting: map[string][]*entry{}}
}

// push queues an entry.
func (t *turns) push(e *entry) {
	namespace := e.ref.Namespace
	if len(t.waiting[namespace]) == 0 {
		t.order = append(t.order, namespace)
	}
	t.waiting[namespace] = append(t.waiting[namespace], e)
}

// next removes and returns the entry whose turn it is; nil if none can start. Call over when its fetch has ended.
func (t *turns) next() *entry {
	if t.running >= t.all {
		return nil
	}
	i := slices.IndexFunc(t.order, func(namespace string) bool { return t.of[namespace] < t.each })
	if i < 0 {
		return nil
	}
	namespace := t.order[i]
	t.order = slices.Delete(t.order, i, i+1)
	e := t.waiting[namespace][0]
	if t.waiting[namespace] = t.waiting[namespace][1:]; len(t.waiting[namespace]) == 0 {
		delete(t.waiting, namespace)
	} else {
		t.order = append(t.order, namespace)
	}
	t.running++
	t.of[namespace]++
	return e
}

// over ends the turn of an entry.
func (t *turns) over(e *entry) {
	t.running--
	if t.of[e.ref.Namespace]--; t.of[e.ref.Namespace] == 0 {
		delete(t.of, e.ref.Namespace)
	}
}
