package session

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A machine may answer without end: what one namespace's machines say is read at a rate, and keeps nobody else waiting.
func TestANamespaceIsReadAtARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, begun := newAnswers(), time.Now()
		const size, many = 4 << 20, 64
		for range many {
			release, err := a.receive(t.Context(), "noisy", size)
			if err != nil {
				t.Fatal(err)
			}
			release()
		}
		if took, least := time.Since(begun), timeFor(many*size)-2*answerBurst; took < least {
			t.Errorf("%d MiB were read in %s, not in %s", many*size>>20, took, least)
		}
		begun = time.Now()
		release, err := a.receive(t.Context(), "quiet", size)
		if err != nil || time.Since(begun) > 0 {
			t.Errorf("another namespace waited for %s, %v", time.Since(begun), err)
		}
		release()
		if a.owed("noisy") == 0 || a.owed("quiet") != 0 {
			t.Errorf("owed are %s and %s", a.owed("noisy"), a.owed("quiet"))
		}
	})
}

func TestShortAnswersAreCountedAndNotWaitedWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, begun := newAnswers(), time.Now()
		for range 100_000 {
			if _, err := a.receive(t.Context(), "noisy", 100); err != nil {
				t.Fatal(err)
			}
		}
		if time.Since(begun) > 0 || a.owed("noisy") < 20*time.Second {
			t.Errorf("they took %s, and %s are owed", time.Since(begun), a.owed("noisy"))
		}
	})
}

// What is held until it is decoded is bounded, and so is what is remembered.
func TestAnswersTakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAnswers()
		whole, err := a.receive(t.Context(), "noisy", 2*answerRoom)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := a.receive(ctx, "noisy", 1<<20); err == nil {
			t.Error("a second one is held beside one that takes all the room")
		}
		whole()
		next, err := a.receive(t.Context(), "noisy", 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		next()
		time.Sleep(time.Minute)
		if release, err := a.receive(t.Context(), "quiet", 1); err == nil {
			release()
		}
		if len(a.shares) != 1 {
			t.Errorf("%d namespaces are remembered", len(a.shares))
		}
	})
}
