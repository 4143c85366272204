package turns

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestNothingIsKeptOfAKeyThatNobodyUses(t *testing.T) {
	g := NewGate(1, 1)
	if err := g.Enter(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error)
	go func() { gaveUp <- g.Enter(ctx, "b") }()
	for deadline := time.Now().Add(10 * time.Second); g.Waiting() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody waits")
		}
	}
	cancel()
	if err := <-gaveUp; err == nil {
		t.Fatal("b got in")
	}
	g.Leave("a")
	if len(g.held)+len(g.waiting)+len(g.order)+g.inside != 0 {
		t.Errorf("kept are %v %v %v, %d are inside", g.held, g.waiting, g.order, g.inside)
	}
}

func TestACrowdIsForgottenAfterASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(100, 1)
		g.modest = 2
		for _, key := range []string{"a", "b"} {
			for range 3 {
				go func() {
					if err := g.Enter(t.Context(), key); err != nil {
						t.Error(err)
					}
				}()
			}
			synctest.Wait()
			for range 3 {
				g.Leave(key)
			}
			synctest.Wait()
			time.Sleep(within + time.Millisecond)
		}
		if _, kept := g.crowded["b"]; !kept || len(g.crowded) != 1 || !g.isModest("a") || !g.isModest("b") {
			t.Errorf("kept are %v", g.crowded)
		}
	})
}
