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

// entry is what is known of one reference.
type entry struct {
	ref    Ref
	owners map[types.UID]Owner
	// pending is true from when it is asked for until its fetch has ended; cancel is set while it is fetched.
	pending bool
	cancel  context.CancelFunc
	// pkg or err is what the last fetch brought.
	pkg Package
	err error
	// again is when a failure is tried again, and an entry that nobody owns is dropped.
	again   time.Time
	backoff wait.Backoff
}

// entry gives the entry of a reference, made where there is none.
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

// drop forgets an entry that nobody owns.
func (c *Cache) drop(e *entry) {
	delete(c.entries, e.ref)
	if c.held[e.ref.Namespace]--; c.held[e.ref.Namespace] == 0 {
		delete(c.held, e.ref.Namespace)
	}
}

// dropIdle forgets an entry that nobody owns, unless it is a failure that is not to be tried again yet.
func (c *Cache) dropIdle(e *entry, now time.Time) {
	if !e.pending && len(e.owners) == 0 && !now.Before(e.again) {
		c.drop(e)
	}
}

// sweep drops the entries that nobody owns, but those of failures which are not to be tried again yet.
func (c *Cache) sweep(now time.Time) {
	if now.Sub(c.swept) < c.config.RetryAfter {
		return
	}
	c.swept = now
	for _, e := range c.entries {
		c.dropIdle(e, now)
	}
}

// startNext fetches what has its turn.
func (c *Cache) startNext() {
	for c.ctx.Err() == nil {
		e := c.turns.next()
		if e == nil {
			return
		}
		if len(e.owners) == 0 { // nobody waits for it any more
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

// ended writes down how a fetch ended, and answers who is to know.
func (c *Cache) ended(ctx context.Context, e *entry, p Package, err error) []Owner {
	c.mu.Lock()
	defer c.mu.Unlock()
	abandoned := ctx.Err() != nil && errors.Is(err, context.Canceled)
	e.cancel()
	e.cancel = nil
	c.turns.over(e)
	defer c.startNext()
	if abandoned {
		if len(e.owners) > 0 { // somebody else has asked since
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

// turns gives namespaces their turn to fetch.
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

// push lets an entry wait for its turn.
func (t *turns) push(e *entry) {
	namespace := e.ref.Namespace
	if len(t.waiting[namespace]) == 0 {
		t.order = append(t.order, namespace)
	}
	t.waiting[namespace] = append(t.waiting[namespace], e)
}

// next takes the entry whose turn it is; nil where nobody may begin. Call over when it has ended.
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

// over gives the turn back.
func (t *turns) over(e *entry) {
	t.running--
	if t.of[e.ref.Namespace]--; t.of[e.ref.Namespace] == 0 {
		delete(t.of, e.ref.Namespace)
	}
}
