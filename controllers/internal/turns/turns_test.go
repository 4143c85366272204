package turns_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mantledeploy/mantle/controllers/internal/turns"
)

// enter waits for a turn in the background and tells its key when it came.
func enter(t *testing.T, g *turns.Gate, key string, came chan<- string) {
	t.Helper()
	before := g.Waiting()
	go func() {
		if err := g.Enter(context.Background(), key); err == nil {
			came <- key
		}
	}()
	for deadline := time.Now().Add(10 * time.Second); g.Waiting() == before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody waits")
		}
	}
}

func mustEnter(t *testing.T, g *turns.Gate, key string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := g.Enter(ctx, key); err != nil {
		t.Fatalf("%s does not get in: %v", key, err)
	}
}

func TestTurnsGoRoundByKey(t *testing.T) {
	g := turns.NewGate(1, 1)
	mustEnter(t, g, "a")
	came := make(chan string)
	for _, key := range []string{"a", "a", "a", "b", "c", "b"} {
		enter(t, g, key, came)
	}
	last, order := "a", ""
	for range 6 {
		g.Leave(last)
		last = <-came
		order += last
	}
	if order != "abcaba" {
		t.Errorf("the turns were %s", order)
	}
}

func TestOneKeyLeavesRoomForAnother(t *testing.T) {
	g := turns.NewGate(3, 2)
	came := make(chan string)
	mustEnter(t, g, "a")
	mustEnter(t, g, "a")
	enter(t, g, "a", came)
	mustEnter(t, g, "b") // who came later, of another key
	enter(t, g, "b", came)
	g.Leave("a")
	if key := <-came; key != "a" {
		t.Errorf("%s got in beyond its number", key)
	}
	g.Leave("b")
	if key := <-came; key != "b" || g.Waiting() != 0 {
		t.Errorf("%s got in, %d wait", key, g.Waiting())
	}
}

func TestWhoGivesUpTakesNoTurn(t *testing.T) {
	g := turns.NewGate(1, 1)
	mustEnter(t, g, "a")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := g.Enter(ctx, "b"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	g.Leave("a")
	mustEnter(t, g, "c")
	if n := g.Waiting(); n != 0 {
		t.Errorf("%d wait", n)
	}
}

// Who has company rests after its turn, and who has none does not.
func TestATurnRestsWhereThereIsCompany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := turns.NewGate(10, 1)
		turn := func(key string) time.Duration {
			begun := time.Now()
			if err := g.Enter(t.Context(), key); err != nil {
				t.Fatal(err)
			}
			g.LeaveAfter(key, 100*time.Millisecond)
			return time.Since(begun)
		}
		if first, second := turn("a"), turn("a"); first != 0 || second != 0 {
			t.Errorf("alone, turns come after %s and %s", first, second)
		}
		if first, second := turn("b"), turn("b"); first != 0 || second != 100*time.Millisecond {
			t.Errorf("with company, turns come after %s and %s", first, second)
		}
		time.Sleep(2 * time.Second)
		if first, second := turn("b"), turn("b"); first != 0 || second != 0 {
			t.Errorf("alone again, turns come after %s and %s", first, second)
		}
	})
}

func TestWhoDoesNotWaitTakesNoTurnOfOthers(t *testing.T) {
	g := turns.NewGate(4, 3)
	for range 3 {
		if !g.TryEnter("a") {
			t.Fatal("there was room")
		}
	}
	if g.TryEnter("a") {
		t.Error("one key has more than its share")
	}
	if !g.TryEnter("b") || g.TryEnter("b") {
		t.Error("another key gets not just what is left")
	}
	g.Leave("a")
	if !g.TryEnter("b") {
		t.Error("what was given back is not there")
	}
}
