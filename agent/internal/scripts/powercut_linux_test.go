package scripts

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// powerCut is what a machine finds after a power cut, and what was known before.
type powerCut struct {
	what  string
	files map[string][]byte
	said  []string
	begun map[string]bool
}

// TestAfterAPowerCutAtAnyWriteEveryAnswerHolds records all that a daemon and its supervisors do with the files of three tickets, from
// the start to the tombstone. The power then fails after each of these steps, with what was not synced written, not
// written, torn or in another order; and a daemon takes up what is left. MANTLE_KILL_SEED repeats a run.
func TestAfterAPowerCutAtAnyWriteEveryAnswerHolds(t *testing.T) {
	const byChance, patience = 8, 50 * time.Second
	random := seeded(t)
	home := memory(t)
	var states []powerCut
	seen, steps := map[[32]byte]bool{}, 0
	all := cuts(random, byChance)
	last := traced(t, home, "life", func(r *recorder) {
		if !r.hasSaid("ready") {
			return
		}
		steps++
		for _, c := range all {
			s := powerCut{fmt.Sprintf("after step %d %s", steps, c.name), r.after(c), slices.Clone(r.said), maps.Clone(r.begun)}
			if sum := s.sum(); !seen[sum] {
				seen[sum] = true
				states = append(states, s)
			}
		}
	})
	for _, want := range []string{"ended now 0", "ended waits 0", fmt.Sprintf("ended ends %d", tentacle.ExitCanceled), "completed ends"} {
		if !last.hasSaid("%s", want) {
			t.Fatalf("the daemon never said %q: %q", want, last.said)
		}
	}
	random.Shuffle(len(states), func(i, j int) { states[i], states[j] = states[j], states[i] })
	deadline, tried, codes := time.Now().Add(patience), 0, map[int32]int{}
	for _, s := range states {
		if time.Now().After(deadline) || t.Failed() {
			break
		}
		tried++
		for _, code := range s.replay(t, home) {
			codes[code]++
		}
	}
	t.Logf("%d steps, %d states of the disk, %d of them tried; exit codes and how many had them: %v", steps, len(states), tried, codes)
}

// memory is a folder for a home, where there is one on which a sync costs nothing.
func memory(t *testing.T) string {
	t.Helper()
	home, err := os.MkdirTemp("/dev/shm", "powercut") //nolint:usetesting // another file system
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	return home
}

func (s powerCut) sum() [32]byte {
	h := sha256.New()
	for _, path := range slices.Sorted(maps.Keys(s.files)) {
		fmt.Fprintf(h, "%q %v %q\n", path, s.files[path] == nil, s.files[path])
	}
	fmt.Fprint(h, s.said, s.begun)
	return [32]byte(h.Sum(nil))
}

// replay opens what is left, and holds what is told of each ticket to what was told before.
func (s powerCut) replay(t *testing.T, home string) (codes []int32) {
	left, err := os.ReadDir(home)
	for _, f := range left {
		err = errors.Join(err, os.RemoveAll(filepath.Join(home, f.Name())))
	}
	err = errors.Join(err, laidOut(s.files), os.WriteFile(filepath.Join(home, "go"), nil, 0o600))
	for id := range s.begun {
		err = errors.Join(err, os.WriteFile(filepath.Join(home, "ran-"+id), []byte("ran\n"), 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, cfg: lifeConfig(home)}
	r.open()
	for _, id := range lives {
		codes = append(codes, s.holds(r, id))
	}
	r.restart()
	for i, id := range lives {
		if got := r.start(lifeScript(home, id)); got.ExitCode != codes[i] || got.State != tentacle.Complete || r.ran(id) > 1 {
			t.Errorf("%s: %s: told %d and then %+v; it ran %d times", s.what, id, codes[i], got, r.ran(id))
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return codes
}

func (r *rig) ran(id string) int { return strings.Count(content(r.inHome("ran-"+id)), "ran\n") }

func (s powerCut) told(format string, a ...any) bool {
	return slices.ContainsFunc(s.said, func(said string) bool { return strings.HasPrefix(said, fmt.Sprintf(format, a...)) })
}

// holds asks for a ticket as an operator does that does not know whether its start arrived, and returns how it ended.
func (s powerCut) holds(r *rig, id string) int32 {
	answered, completed := s.told("answered %s", id), s.told("ended %s", id) // which it is about to be
	got := r.status(id, 0)
	if known := got.ExitCode != tentacle.ExitUnknownScript; !known && !completed && (answered || s.begun[id]) {
		r.t.Errorf("%s: %s was answered or begun, and is forgotten", s.what, id)
	} else if known {
		got = r.await(id, 0)
	} else if got = r.start(lifeScript(r.cfg.Home, id)); got.ExitCode != tentacle.ExitAlreadyCompleted {
		got = r.await(id, 0)
	}
	_, claimed := s.files[r.inHome(".tentacle", "tickets", id, process.StartedFile)]
	right := false
	switch got.ExitCode {
	case 0:
		right = r.ran(id) == 1 && !s.told("cancelled %s", id)
	case tentacle.ExitCanceled:
		right = r.ran(id) == 0 && id == "ends"
	case tentacle.ExitLost:
		right = id == "now" || claimed && id == "waits"
	case tentacle.ExitAlreadyCompleted:
		right = completed
	}
	if !right || r.ran(id) > 1 {
		r.t.Errorf("%s: %s is told as %d, %q; it ran %d times; before: %q", s.what, id, got.ExitCode, lines(got.Logs), r.ran(id), s.said)
	}
	return got.ExitCode
}
