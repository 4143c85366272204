//go:build unix

package dispatch_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
	"github.com/mantledeploy/mantle/controllers/internal/dispatch"
)

// The variables that say at how many instants something is killed, and the seed of an earlier run.
const (
	instantsVariable = "MANTLE_INSTANTS"
	seedVariable     = "MANTLE_INSTANTS_SEED"
)

// number returns what a variable says, or else the other number.
func number(t *testing.T, variable string, other uint64) uint64 {
	t.Helper()
	given := os.Getenv(variable)
	if given == "" {
		return other
	}
	n, err := strconv.ParseUint(given, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// Two steps are for one machine of Octopus's, and its Tentacle, the operator or both are killed at instants of their own.
func TestStepsRunOnceWhateverIsKilledAtWhateverInstant(t *testing.T) {
	instants, seed := number(t, instantsVariable, 12), number(t, seedVariable, uint64(time.Now().UnixNano()))
	t.Logf("%s=%d", seedVariable, seed)
	for i := range instants {
		t.Run(strconv.FormatUint(i, 10), func(t *testing.T) {
			t.Parallel()
			newPairOfSteps(t, rand.New(rand.NewPCG(seed, i))).carryOut()
		})
	}
}

// pairOfSteps are two steps on one machine, and what is to be killed when.
type pairOfSteps struct {
	t       *testing.T
	random  *rand.Rand
	machine machine
	pool    *pool
	jobs    map[string]*job
	codes   map[string]int
	reports map[string]dispatch.Report
	story   []string
}

// lines is how many lines each of the steps writes.
const lines = 12

func newPairOfSteps(t *testing.T, random *rand.Rand) *pairOfSteps {
	all := []tentacletest.Generation{tentacletest.Octopus5, tentacletest.Octopus63, tentacletest.Octopus7, tentacletest.Octopus9}
	g := all[random.IntN(len(all))]
	p := &pairOfSteps{t: t, random: random, machine: newMachine(t, nil, generation(g)), pool: brings(t), jobs: map[string]*job{}, codes: map[string]int{},
		reports: map[string]dispatch.Report{}, story: []string{g.Version()}}
	for _, ticket := range []string{"t1", "t2"} {
		p.codes[ticket] = random.IntN(3)
		ran := filepath.Join(p.machine.Home(), "ran")
		p.jobs[ticket] = saying(p.machine, ticket, fmt.Sprintf(`echo begin %s >> %s
for i in $(seq 1 %d); do echo line $i; sleep 0.%02d; done
echo here > file && echo "answer=%s" >> "$MANTLE_OUTPUT"
echo end %s >> %s; exit %d`, ticket, ran, lines, random.IntN(10), ticket, ticket, ran, p.codes[ticket]))
		p.jobs[ticket].Plan.Outputs = []string{"answer"}
	}
	if random.IntN(2) == 0 { // the engine is there before
		if _, err := p.pool.sessions.Inventory(t.Context(), p.machine.Machine); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func (p *pairOfSteps) carryOut() {
	t := p.t
	kinds := [][]string{{"listener"}, {"operator"}, {"listener", "operator"}, {"operator", "listener"}, {"listener", "listener"}}
	for _, ticket := range []string{"t1", "t2"} {
		p.pool.Dispatch(p.jobs[ticket])
	}
	begun := time.Now()
	for _, what := range kinds[p.random.IntN(len(kinds))] {
		p.until(time.Now().Add(time.Duration(p.random.IntN(1500)) * time.Millisecond))
		p.story = append(p.story, fmt.Sprintf("%s killed after %s, %d ended", what, time.Since(begun).Round(time.Millisecond), len(p.reports)))
		if what == "listener" {
			p.killListener()
		} else {
			p.killOperator()
		}
	}
	p.until(time.Now().Add(2 * time.Minute))
	p.judge(begun)
	if t.Failed() {
		t.Log(strings.Join(p.story, "; "))
	}
}

// until returns at that time, or when both have ended.
func (p *pairOfSteps) until(end time.Time) {
	for ; time.Now().Before(end) && len(p.reports) < len(p.jobs); time.Sleep(5 * time.Millisecond) {
		for ticket := range p.jobs {
			if r, known := p.pool.Report(ticket); known && r.Ended() {
				p.reports[ticket] = r
			}
		}
	}
}

func (p *pairOfSteps) killListener() {
	p.machine.Stop()
	p.machine.Lose()
	time.Sleep(time.Duration(p.random.IntN(300)) * time.Millisecond) // so long it is away
	p.machine.Listen()
}

// killOperator lets another one take over what has not ended.
func (p *pairOfSteps) killOperator() {
	p.pool.Close()
	p.pool = brings(p.t)
	for ticket, a := range p.jobs {
		if _, over := p.reports[ticket]; !over {
			a.Resume = true
			p.pool.Dispatch(a)
		}
	}
}

// judge looks at what ran, at what was told of it, and at what was logged.
func (p *pairOfSteps) judge(begun time.Time) {
	t := p.t
	p.story = append(p.story, fmt.Sprintf("over after %s", time.Since(begun).Round(time.Millisecond)))
	data, err := os.ReadFile(filepath.Join(p.machine.Home(), "ran"))
	ran := strings.Split(strings.TrimSpace(string(data)), "\n")
	one, other := []string{"begin t1", "end t1"}, []string{"begin t2", "end t2"}
	if !slices.Equal(ran, slices.Concat(one, other)) && !slices.Equal(ran, slices.Concat(other, one)) {
		t.Errorf("it ran as %q, %v", ran, err)
	}
	for ticket, code := range p.codes {
		r, ended := p.reports[ticket]
		if !ended || r.ExitCode == nil || int(*r.ExitCode) != code || r.Outputs["answer"] != ticket {
			t.Errorf("%s was to end with %d: ended %v, %s (%s: %s) with %v, %v", ticket, code, ended, r.Phase, r.Reason, r.Message, r.ExitCode, r.Outputs)
		}
		log, before, had := p.jobs[ticket].Log.(*kept), 0, 0
		for line := range strings.SplitSeq(log.text(), "\n") {
			n := 0
			if _, err := fmt.Sscanf(line, "line %d", &n); err != nil {
				continue
			}
			if had++; n <= before {
				t.Errorf("%s: line %d comes after line %d", ticket, n, before)
			}
			before = n
		}
		log.mu.Lock()
		aside := strings.Join(log.aside, "\n")
		log.mu.Unlock()
		if had < lines && !strings.Contains(aside, "not in this log") && !strings.Contains(aside, "its output is not here") {
			t.Errorf("%s: the log has %d of %d lines, %q, and says nothing of it: %q", ticket, had, lines, log.text(), aside)
		}
	}
}
