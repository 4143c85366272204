//go:build unix

package dispatch_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// The answer to StartScript has all that the script has written by then, as later ones have all since the last.
func TestAnAnswerOfAnySizePasses(t *testing.T) {
	t.Parallel()
	for _, g := range []tentacletest.Generation{tentacletest.Octopus63, tentacletest.Octopus9} {
		m, p := newMachine(t, nil, generation(g)), brings(t)
		const lines, length = 400_000, 66
		a := saying(m, "t1", fmt.Sprintf("yes %s | head -n %d; exit 3", strings.Repeat("x", length), lines))
		p.Dispatch(a)
		r := await(t, p, "t1", ended)
		if r.Phase != v1alpha1.StepFailed || r.ExitCode == nil || *r.ExitCode != 3 {
			t.Errorf("%s: %s (%s: %s) with %v", g.Version(), r.Phase, r.Reason, r.Message, r.ExitCode)
		}
		if got := a.Log.(*kept).lines; len(got) != lines || len(got[lines-1]) != length {
			t.Errorf("%s: %d lines", g.Version(), len(got))
		}
	}
}

// A line of any length is one line.
func TestALineOfAnyLengthStaysWhole(t *testing.T) {
	t.Parallel()
	m, p := newMachine(t, nil, generation(tentacletest.Octopus9)), brings(t)
	a := saying(m, "t1", "for n in 200000 3000000; do head -c $n /dev/zero | tr '\\0' y; echo; done; echo after")
	p.Dispatch(a)
	if r := await(t, p, "t1", ended); r.Phase != v1alpha1.StepSucceeded {
		t.Errorf("%s (%s: %s)", r.Phase, r.Reason, r.Message)
	}
	got := a.Log.(*kept).lines
	if len(got) != 3 || len(got[0]) != 200_000 || len(got[1]) != 3_000_000 || got[2] != "after" {
		t.Errorf("%d lines", len(got))
	}
}
