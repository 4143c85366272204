// Package turns bounds how much is done at once, and keeps it fair: who waits gets its turn by key, one key after the
// other, so that one key with many who wait does not hold up another. Keys are namespaces.
package turns

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Gate lets at most total holders in at once, and at most perKey of one key. It is safe for concurrent use.
type Gate struct {
	total, perKey int
	// alone is how many one key may have while it has no company; 0 is perKey.
	alone int

	mu     sync.Mutex
	inside int
	held   map[string]int
	// waiting has a queue for each key that somebody waits for, and order the keys, the next one first.
	waiting map[string][]chan struct{}
	order   []string
	company Company
}

// NewGate makes a Gate. Both bounds are at least 1.
func NewGate(total, perKey int) *Gate {
	return &Gate{total: max(total, 1), perKey: max(perKey, 1), held: map[string]int{}, waiting: map[string][]chan struct{}{}}
}

// Enter waits for a turn of the key. Call Leave with the same key after it, unless it returns an error.
func (g *Gate) Enter(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	turn := make(chan struct{})
	g.mu.Lock()
	g.company.Comes(key)
	if len(g.waiting[key]) == 0 {
		g.order = append(g.order, key)
	}
	g.waiting[key] = append(g.waiting[key], turn)
	g.admit()
	g.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		g.withdraw(key, turn)
		return ctx.Err()
	}
}

// TryEnter takes a turn of the key if there is one at once.
func (g *Gate) TryEnter(key string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.company.Comes(key)
	if g.inside >= g.total || g.held[key] >= g.most(key) {
		return false
	}
	g.inside++
	g.held[key]++
	return true
}

// Leave ends a turn.
func (g *Gate) Leave(key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.leave(key)
}

func (g *Gate) leave(key string) {
	g.inside--
	if g.held[key]--; g.held[key] == 0 {
		delete(g.held, key)
	}
	g.admit()
}

// LeaveAfter is Leave, which comes so much later if the key has company.
func (g *Gate) LeaveAfter(key string, rest time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.company.Has(key) {
		time.AfterFunc(rest, func() { g.Leave(key) })
		return
	}
	g.leave(key)
}

// withdraw ends the wait of one, or its turn if that has come meanwhile.
func (g *Gate) withdraw(key string, turn chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.waiting[key], turn)
	if i < 0 {
		g.leave(key)
		return
	}
	g.waiting[key] = slices.Delete(g.waiting[key], i, i+1)
	if len(g.waiting[key]) == 0 {
		delete(g.waiting, key)
		g.order = slices.DeleteFunc(g.order, func(k string) bool { return k == key })
	}
}

// most is how many of a key may be in. The lock is held.
func (g *Gate) most(key string) int {
	if g.alone > g.perKey && !g.company.Has(key) {
		return g.alone
	}
	return g.perKey
}

// admit gives turns while there is room. The lock is held.
func (g *Gate) admit() {
	for g.inside < g.total {
		i := slices.IndexFunc(g.order, func(key string) bool { return g.held[key] < g.most(key) })
		if i < 0 {
			return
		}
		key := g.order[i]
		g.order = slices.Delete(g.order, i, i+1)
		close(g.waiting[key][0])
		g.waiting[key] = g.waiting[key][1:]
		if len(g.waiting[key]) > 0 {
			g.order = append(g.order, key)
		} else {
			delete(g.waiting, key)
		}
		g.inside++
		g.held[key]++
	}
}

// Waiting tells how many wait for their turn.
func (g *Gate) Waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for _, queue := range g.waiting {
		n += len(queue)
	}
	return n
}

// Inside tells how many are in.
func (g *Gate) Inside() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inside
}
