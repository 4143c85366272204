// Package turns provides semaphores that are fair between keys: the keys of waiting callers take turns, so that a key
// with many callers does not delay another. Keys are namespaces.
package turns

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// Gate is a semaphore with a limit for all holders and one for the holders of each key. It is safe for concurrent use.
type Gate struct {
	total, perKey int
	// alone is the limit of a key while no other key is used, and modest that of a key which within the last second never had
	// more callers at once than that; 0 means perKey.
	alone, modest int

	mu     sync.Mutex
	inside int
	held   map[string]int
	// waiting contains a queue for each key with waiting callers, and order the keys, the next one first.
	waiting    map[string][]chan struct{}
	order      []string
	contention Contention
	// crowded has when a key had more than modest callers at once, if that was within the last second.
	crowded map[string]time.Time
}

// NewGate returns a Gate. Both limits are at least 1.
func NewGate(total, perKey int) *Gate {
	return &Gate{total: max(total, 1), perKey: max(perKey, 1), held: map[string]int{}, waiting: map[string][]chan struct{}{},
		crowded: map[string]time.Time{}}
}

// Enter waits until a caller with the key can enter. Call Leave with the same key, unless it returns an error.
func (g *Gate) Enter(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	turn := make(chan struct{})
	g.mu.Lock()
	g.contention.Note(key)
	if len(g.waiting[key]) == 0 {
		g.order = append(g.order, key)
	}
	g.waiting[key] = append(g.waiting[key], turn)
	g.count(key)
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

// TryEnter is Enter without waiting. It reports whether the caller has entered.
func (g *Gate) TryEnter(key string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.contention.Note(key)
	if g.inside >= g.total || g.held[key] >= g.most(key) {
		return false
	}
	g.inside++
	g.held[key]++
	return true
}

// Leave ends the turn of a caller that has entered.
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

// LeaveAfter is Leave after a pause if another key is in use and this one has many callers, else at once.
func (g *Gate) LeaveAfter(key string, rest time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.contention.Contended(key) && !g.isModest(key) {
		time.AfterFunc(rest, func() { g.Leave(key) })
		return
	}
	g.leave(key)
}

// withdraw ends the wait of a caller, or its turn if that has begun.
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

// count notes whether a key has many callers. The lock is held.
func (g *Gate) count(key string) {
	if g.modest == 0 || g.held[key]+len(g.waiting[key]) <= g.modest {
		return
	}
	now := time.Now()
	maps.DeleteFunc(g.crowded, func(_ string, at time.Time) bool { return now.Sub(at) > within })
	g.crowded[key] = now
}

// isModest reports whether a key had no more callers than the limit modest within the last second. The lock is held.
func (g *Gate) isModest(key string) bool {
	at, crowded := g.crowded[key]
	return g.modest > 0 && (!crowded || time.Since(at) > within)
}

// most returns the present limit of a key. The lock is held.
func (g *Gate) most(key string) int {
	switch {
	case g.alone > g.perKey && !g.contention.Contended(key):
		return g.alone
	case g.isModest(key):
		return max(g.modest, g.perKey)
	default:
		return g.perKey
	}
}

// admit lets waiting callers enter while there is room. The lock is held.
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

// Waiting returns the number of waiting callers.
func (g *Gate) Waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for _, queue := range g.waiting {
		n += len(queue)
	}
	return n
}

// Inside returns the number of callers that have entered.
func (g *Gate) Inside() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inside
}
