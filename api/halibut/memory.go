package halibut

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// smallMessage is the size of a message that is not counted: connections are, and each has one message at a time.
	smallMessage = 64 << 10
	// decodedFactor is how much is counted of a request: what was received, and as much for what is made of it.
	decodedFactor = 2
)

// errNoMemory says that peers have as much of the listener's memory as they may. It may pass.
var errNoMemory = errors.New("too many large messages are under way")

// memory is what messages may take of it, all together and those of each peer. It is taken before a message is read, or its
// answer is made, and given back when that is done with.
type memory struct {
	mu      sync.Mutex
	free    int64
	each    int64
	by      map[Thumbprint]int64
	changed chan struct{} // closed, and made anew, when some is given back
}

func newMemory(all, each int64) *memory {
	return &memory{free: all, each: each, by: map[Thumbprint]int64{}, changed: make(chan struct{})}
}

// try takes n bytes if there are that many. The channel is closed when it is worth trying again.
func (m *memory) try(who Thumbprint, n int64) (ok bool, changed <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n > m.free || m.by[who]+n > m.each {
		return false, m.changed
	}
	m.free -= n
	m.by[who] += n
	return true, nil
}

// take waits for n bytes, at most so long.
func (m *memory) take(ctx context.Context, who Thumbprint, n int64, patience time.Duration) error {
	if n > m.each {
		return fmt.Errorf("%w: %d bytes where a peer may have %d", errNoMemory, n, m.each)
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		ok, changed := m.try(who, n)
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-timer.C:
			return errNoMemory
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (m *memory) give(who Thumbprint, n int64) {
	if n == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.free += n
	if m.by[who] -= n; m.by[who] <= 0 {
		delete(m.by, who)
	}
	close(m.changed)
	m.changed = make(chan struct{})
}

// admitRequest takes memory for a request before it is read, and sets when it must have arrived.
func (c *session) admitRequest(wire *conn, size int64) error {
	if size <= smallMessage {
		return nil
	}
	if err := c.server.memory.take(c.ctx, c.who, decodedFactor*size, c.server.config.Limits.IO); err != nil {
		return err
	}
	c.taken += decodedFactor * size
	wire.limit = c.whole(size)
	return nil
}

// whole is when a message of that size that begins now must be over.
func (c *session) whole(size int64) time.Time {
	limits := &c.server.config.Limits
	return time.Now().Add(limits.IO + time.Duration(size)*time.Second/time.Duration(limits.SlowestPeer))
}

// more takes memory for the request that is being answered, if there is any.
func (c *session) more(n int64) bool {
	ok, _ := c.server.memory.try(c.who, n)
	if ok {
		c.taken += n
	}
	return ok
}

// giveBack gives back what was taken for a request and its answer.
func (c *session) giveBack() {
	for _, f := range c.after {
		f()
	}
	c.after = nil
	c.server.memory.give(c.who, c.taken)
	c.taken = 0
}

type sessionKey struct{}

// Reserve takes n bytes of the memory that a Server has for messages, until the request of ctx is answered. A method asks before
// it makes a large result, and makes a smaller one if it returns false. Outside of a Server there is no bound. It is for the
// goroutine of the method.
func Reserve(ctx context.Context, n int64) bool {
	c, ok := ctx.Value(sessionKey{}).(*session)
	return !ok || c.more(n)
}

// Afterwards calls f when the request of ctx is answered, or cannot be. Outside of a Server nobody calls it. It is for the goroutine
// of the method.
func Afterwards(ctx context.Context, f func()) {
	if c, ok := ctx.Value(sessionKey{}).(*session); ok {
		c.after = append(c.after, f)
	}
}
