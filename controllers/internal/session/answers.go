package session

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// The bounds of what the machines of one namespace say. They keep nobody else waiting: a machine may answer without end.
const (
	// answerRate is how many bytes of answers are read in a second, answerCost what the shortest one counts, and answerBurst
	// how much may come at once after a pause.
	answerRate  = 16 << 20
	answerCost  = 4 << 10
	answerBurst = time.Second
	// answerRoom is how many bytes of answers are held in memory until they are decoded. One that is larger is held alone, and
	// those up to smallAnswer take no room and are not waited with.
	answerRoom  = 16 << 20
	smallAnswer = 64 << 10
)

// answers shares out, by namespace, what the operator reads of machines. It is safe for concurrent use.
type answers struct {
	mu     sync.Mutex
	shares map[string]*share
}

// share is what one namespace has taken. It is forgotten once that is paid.
type share struct {
	room *semaphore.Weighted
	// paid is when all that was read is paid for.
	paid  time.Time
	users int
}

func newAnswers() *answers { return &answers{shares: map[string]*share{}} }

// receive waits until a namespace may have an answer read. Release gives the room back.
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

// charge adds to what a namespace has taken, and answers how long it is to when it had paid for what was before.
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

// refund takes back the charge of an answer that was not read.
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

// owed is how long a namespace should ask nothing more.
func (a *answers) owed(namespace string) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if of := a.shares[namespace]; of != nil {
		return max(time.Until(of.paid), 0)
	}
	return 0
}

// forget drops the shares that are paid and that nobody uses. The lock is held.
func (a *answers) forget(now time.Time) {
	for namespace, of := range a.shares {
		if of.users == 0 && of.paid.Before(now.Add(-answerBurst)) {
			delete(a.shares, namespace)
		}
	}
}
