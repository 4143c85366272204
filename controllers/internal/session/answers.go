package session

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// The limits for the answers of the machines of one namespace. A machine may send an endless answer; it must not delay
// other namespaces.
const (
	// answerRate is how many bytes of answers are read in a second, answerCost the least that an answer counts, and
	// answerBurst for how much time after a pause the rate can be used at once.
	answerRate  = 16 << 20
	answerCost  = 4 << 10
	answerBurst = time.Second
	// answerRoom is how many bytes of answers are kept in memory until they are decoded. A larger answer is read alone.
	// Answers up to smallAnswer do not count and never wait.
	answerRoom  = 16 << 20
	smallAnswer = 64 << 10
)

// answers limits, for each namespace, what the operator reads from machines. It is safe for concurrent use.
type answers struct {
	mu     sync.Mutex
	shares map[string]*share
}

// share is what one namespace has read. It is deleted when the rate allows all of it.
type share struct {
	room *semaphore.Weighted
	// paid is the time at which the rate allows all that was read.
	paid  time.Time
	users int
}

func newAnswers() *answers { return &answers{shares: map[string]*share{}} }

// receive waits until an answer for a namespace can be read. Call release when it is decoded.
func (a *answers) receive(ctx context.Context, namespace string, size int64) (release func(), err error) {
	of, wait := a.charge(namespace, max(size, answerCost))
	leave := func() { a.leave(of) }
	if size <= smallAnswer {
		return leave, nil
	}
	if wait > 0 && !pause(ctx, wait) {
		a.refund(of, size)
		return nil, ctx.Err()
	}
	room := min(size, answerRoom)
	if err := of.room.Acquire(ctx, room); err != nil {
		a.refund(of, size)
		return nil, err
	}
	return func() {
		of.room.Release(room)
		leave()
	}, nil
}

// charge adds size to what a namespace has read, and returns how long to wait until the rate allows what was read before.
func (a *answers) charge(namespace string, size int64) (of *share, wait time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if of = a.shares[namespace]; of == nil {
		a.forget(now)
		of = &share{room: semaphore.NewWeighted(answerRoom)}
		a.shares[namespace] = of
	}
	of.users++
	if since := now.Add(-answerBurst); of.paid.Before(since) {
		of.paid = since
	}
	wait = of.paid.Sub(now)
	of.paid = of.paid.Add(timeFor(size))
	return of, wait
}

func timeFor(size int64) time.Duration { return time.Duration(size) * time.Second / answerRate }

// refund undoes the charge for an answer that was not read.
func (a *answers) refund(of *share, size int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	of.paid = of.paid.Add(-timeFor(size))
	of.users--
}

func (a *answers) leave(of *share) {
	a.mu.Lock()
	defer a.mu.Unlock()
	of.users--
}

// owed returns how long the machines of a namespace should not be asked.
func (a *answers) owed(namespace string) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if of := a.shares[namespace]; of != nil {
		return max(time.Until(of.paid), 0)
	}
	return 0
}

// forget deletes the shares that are paid and not in use. The lock is held.
func (a *answers) forget(now time.Time) {
	for namespace, of := range a.shares {
		if of.users == 0 && of.paid.Before(now.Add(-answerBurst)) {
			delete(a.shares, namespace)
		}
	}
}
