package process

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

func init() { //nolint:gochecknoinits // of the supervisors that tests start
	if score, err := strconv.Atoi(os.Getenv(scoreVariable)); err == nil {
		scriptScore = score
	}
}

// The score that tests' scripts get in the place of 0, below which is protected: who is not privileged may not lower a score, and
// so cannot have a protected one.
const (
	scoreVariable = "PROCESS_TEST_SCORE"
	testScore     = 400
)

// scores prints the scores of a script, of what it starts, and of its supervisor, once that has taken its own back.
const scores = `cat /proc/$$/oom_score_adj /proc/self/oom_score_adj
	for i in {1..500}; do [ "$(cat /proc/$PPID/oom_score_adj)" != 400 ] && break; sleep 0.02; done; cat /proc/$PPID/oom_score_adj`

// A script that takes the memory of a machine is ended before its supervisor, who tells of its end, and before the daemon.
func TestAScriptDoesNotInheritTheProtectionOfItsSupervisor(t *testing.T) {
	before, known := oomScore()
	if !known || before >= testScore {
		t.Skip("processes have no such score here")
	}
	t.Setenv(scoreVariable, "400")
	own := strconv.Itoa(before)
	want := strings.Join([]string{"400", "400", own}, "\n")
	dir := folder(t, scores)
	end(t, launch(t, dir))
	if got := text(t, dir); got != want {
		t.Errorf("script, child and supervisor have the scores %q, want %q", got, want)
	}
	t.Run("of a supervisor that was held", func(t *testing.T) {
		dir := folder(t, scores)
		s, err := LaunchHeld([]string{os.Args[0], "supervise"}, dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		s.Go()
		end(t, s)
		if got := text(t, dir); got != want {
			t.Errorf("script, child and supervisor have the scores %q, want %q", got, want)
		}
	})
	t.Run("of another user", func(t *testing.T) {
		asRoot(t)
		dir := folderAs(t, "nobody", scores)
		end(t, launch(t, dir))
		if got := text(t, dir); got != want {
			t.Errorf("script, child and supervisor have the scores %q, want %q", got, want)
		}
	})
}

func TestADaemonProtectsItselfWhereNobodyHasChosen(t *testing.T) {
	was, known := oomScore()
	if !known || setOOMScore(-900) != nil {
		t.Skip("this process may not protect itself")
	}
	defer func() { _ = setOOMScore(was) }()
	for before, want := range map[int]int{0: Protected, 300: 300, -900: -900} {
		if err := setOOMScore(before); err != nil {
			t.Fatal(err)
		}
		Protect()
		if got, _ := oomScore(); got != want {
			t.Errorf("%d became %d, want %d", before, got, want)
		}
	}
}
