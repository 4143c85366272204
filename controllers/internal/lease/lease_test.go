package lease

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// lock is one that another operator can take.
type lock struct {
	mu     sync.Mutex
	holder string
	writes int
	err    error
	// slow is what happens while a write is under way.
	slow func()
}

func (l *lock) Get(context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &resourcelock.LeaderElectionRecord{HolderIdentity: l.holder}, nil, l.err
}

func (l *lock) Create(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	return l.Update(ctx, r)
}

func (l *lock) Update(_ context.Context, r resourcelock.LeaderElectionRecord) error {
	if l.slow != nil {
		l.slow()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	l.holder, l.writes = r.HolderIdentity, l.writes+1
	return nil
}

func (l *lock) RecordEvent(string) {}
func (l *lock) Identity() string   { return "me" }
func (l *lock) Describe() string   { return "test" }

// clocks are both clocks, moved by the test.
type clocks struct {
	mu  sync.Mutex
	now reading
}

func (c *clocks) read() reading {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clocks) pass(wall, mono time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = reading{c.now.wall.Add(wall), c.now.mono + mono}
}

func leading(t *testing.T) (*Lease, *lock, *clocks) {
	t.Helper()
	under, at := &lock{}, &clocks{now: reading{wall: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}}
	l := New(under, 15*time.Second+time.Millisecond)
	l.read = at.read
	if err := l.Fence(); !errors.Is(err, ErrNotLeader) {
		t.Fatalf("before it led: %v", err)
	}
	renew(t, l)
	return l, under, at
}

func renew(t *testing.T, l *Lease) {
	t.Helper()
	if err := l.Update(t.Context(), resourcelock.LeaderElectionRecord{HolderIdentity: "me"}); err != nil {
		t.Fatal(err)
	}
	if err := l.Fence(); err != nil {
		t.Fatalf("just renewed: %v", err)
	}
}

func TestTheFenceClosesWhenTheLeaseHasRunOut(t *testing.T) {
	for _, c := range []struct {
		name       string
		wall, mono time.Duration
		closed     bool
	}{
		{"in time", 14999 * time.Millisecond, 14999 * time.Millisecond, false},
		{"run out", 15 * time.Second, 15 * time.Second, true},
		{"the machine was suspended", time.Hour, time.Millisecond, true},
		{"the wall clock was set back", -time.Hour, 15 * time.Second, true},
	} {
		l, _, at := leading(t)
		at.pass(10*time.Second, 10*time.Second)
		renew(t, l)
		at.pass(c.wall, c.mono)
		if err := l.Fence(); (err != nil) != c.closed {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// What a renewal is worth counts from when it was sent: another operator may have seen it then.
func TestARenewalCountsFromItsBeginning(t *testing.T) {
	l, under, at := leading(t)
	under.slow = func() { at.pass(9*time.Second, 9*time.Second) }
	renew(t, l)
	at.pass(6*time.Second, 6*time.Second)
	if l.Fence() == nil {
		t.Error("15 s after the renewal was sent the fence is open")
	}
}

func TestARenewalThatFailsIsNone(t *testing.T) {
	l, under, at := leading(t)
	at.pass(14*time.Second, 14*time.Second)
	under.err = errors.New("the API server is away")
	if l.Update(t.Context(), resourcelock.LeaderElectionRecord{HolderIdentity: "me"}) == nil {
		t.Fatal("no error")
	}
	at.pass(time.Second, time.Second)
	if l.Fence() == nil {
		t.Error("the fence is open")
	}
}

// The leader election gives the lease up when it ends, without looking whose it is by then.
func TestALeaseThatWasLostIsNotTouched(t *testing.T) {
	l, under, at := leading(t)
	under.holder = "other"
	at.pass(20*time.Second, 20*time.Second)
	for _, holder := range []string{"", "me"} {
		if err := l.Update(t.Context(), resourcelock.LeaderElectionRecord{HolderIdentity: holder}); !errors.Is(err, ErrNotLeader) {
			t.Errorf("written for %q: %v", holder, err)
		}
	}
	if under.holder != "other" || l.Fence() == nil {
		t.Error("the other operator's lease was taken away")
	}
}

func TestALeaseThatAnotherHoldsIsLost(t *testing.T) {
	l, under, _ := leading(t)
	under.holder = "other"
	if _, _, err := l.Get(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.Fence(); err == nil || !strings.Contains(err.Error(), "other") {
		t.Errorf("%v", err)
	}
}

func TestWhoGivesTheLeaseUpActsNoMore(t *testing.T) {
	l, under, at := leading(t)
	under.slow = func() {
		if l.Fence() == nil {
			t.Error("the fence is open while the lease is given up")
		}
	}
	if err := l.Update(t.Context(), resourcelock.LeaderElectionRecord{}); err != nil || under.holder != "" {
		t.Fatalf("%v, held by %q", err, under.holder)
	}
	at.pass(time.Hour, time.Hour)
	if err := l.Run(t.Context(), func(context.Context) error { return nil }); err != nil {
		t.Errorf("ending in order is a failure: %v", err)
	}
}

func TestRequestsThatChangeSomethingNeedALeader(t *testing.T) {
	sent := 0
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { sent++ }))
	defer server.Close()
	l, _, at := leading(t)
	client := &http.Client{Transport: l.Transport(http.DefaultTransport)}
	do := func(method, path string) error {
		request, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err == nil {
			_ = response.Body.Close()
		}
		return err
	}
	const run = "/apis/mantle.dev/v1alpha1/namespaces/shop/deploymentruns/a/status"
	if err := do(http.MethodPatch, run); err != nil {
		t.Fatal(err)
	}
	at.pass(16*time.Second, 16*time.Second)
	sent = 0
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if err := do(method, run); !errors.Is(err, ErrNotLeader) {
			t.Errorf("%s: %v", method, err)
		}
	}
	if err := do(http.MethodPost, run+"/apis/authentication.k8s.io/v1/tokenreviews/x"); err == nil {
		t.Error("a name that looks like a question was sent")
	}
	if sent != 0 {
		t.Errorf("%d requests were sent", sent)
	}
	for path, method := range map[string]string{run: http.MethodGet, "/apis/authentication.k8s.io/v1/tokenreviews": http.MethodPost, "/apis/authorization.k8s.io/v1/subjectaccessreviews": http.MethodPost} {
		if err := do(method, path); err != nil {
			t.Errorf("%s %s: %v", method, path, err)
		}
	}
}

func TestRunEndsAtOnceWhenTheFenceCloses(t *testing.T) {
	l, _, at := leading(t)
	cancelled, stubborn := make(chan struct{}), make(chan struct{})
	defer close(stubborn)
	ended := make(chan error, 1)
	go func() {
		ended <- l.Run(t.Context(), func(ctx context.Context) error {
			<-ctx.Done()
			close(cancelled)
			<-stubborn // a manager that waits for what it runs
			return nil
		})
	}()
	at.pass(time.Hour, 0)
	select {
	case err := <-ended:
		if !errors.Is(err, ErrNotLeader) {
			t.Errorf("%v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it goes on")
	}
	select {
	case <-cancelled:
	case <-time.After(10 * time.Second):
		t.Error("what it ran was not told")
	}
}

func TestAnOperatorThatIsAloneHasNoFence(t *testing.T) {
	var alone *Lease
	if alone.Fence() != nil || alone.Transport(http.DefaultTransport) != http.DefaultTransport {
		t.Error("it is held back")
	}
	if err := alone.Run(t.Context(), func(context.Context) error { return nil }); err != nil {
		t.Error(err)
	}
}
