//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
)

// killSeed names the variable that gives the seed of an earlier run.
const killSeed = "MANTLE_KILL_SEED"

// seeded returns the seed of a test, which it logs.
func seeded(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano()) // #nosec G115 -- any number will do
	if given := os.Getenv(killSeed); given != "" {
		n, err := strconv.ParseUint(given, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", killSeed, err)
		}
		seed = n
	}
	t.Logf("seed: %s=%d", killSeed, seed)
	return seed
}

// mortal is a machine whose daemon is killed again and again while operators follow scripts on it.
type mortal struct {
	t      *testing.T
	home   string
	e      halibut.Endpoint
	client *tentacle.Client
	daemon *running
	over   chan struct{} // closed when no more is killed
	counts struct{ scripts, lost, broken, answered, afresh atomic.Int64 }
}

func newMortal(t *testing.T) *mortal {
	t.Helper()
	a, first := tentacletest.NewCertificate(t, "operator")
	m := &mortal{t: t, home: filepath.Join(t.TempDir(), "home"), over: make(chan struct{})}
	m.e = initialise(t, m.home, first)
	m.client = operator(t, m.e, a)
	m.daemon = start(t, m.home, m.e)
	return m
}

// revive starts the daemon anew and returns at once, so that the next kill may come before it serves.
func (m *mortal) revive() {
	m.daemon = spawn(m.t, command(context.Background(), "run", "--home", m.home), m.home+".log")
}

// plan is one script and what has to come of it.
type plan struct {
	id, body string
	code     int32
	out, err []string
}

// newPlan makes a script: it notes that it ran, prints on both streams, some of it by children, with pauses, and
// exits with a code.
func newPlan(home, id string, r *rand.Rand) plan {
	p := plan{id: id, code: int32(r.IntN(200))}
	var b strings.Builder
	fmt.Fprintf(&b, "echo %s >> %q\n", id, filepath.Join(home, "ran"))
	for range 1 + r.IntN(5) {
		lines, first := 1+r.IntN(60), len(p.out)
		if r.IntN(4) == 0 {
			lines = 3000 + r.IntN(3000)
		}
		for i := range lines {
			p.out = append(p.out, fmt.Sprint(id, " out ", first+i))
		}
		loop := fmt.Sprintf(`for ((i=%d; i<%d; i++)); do echo "%s out $i"; done`, first, first+lines, id)
		switch r.IntN(4) {
		case 0: // a child of its own session
			loop = fmt.Sprintf("setsid bash -c '%s'", loop)
		case 1: // one that holds the output when its parent has gone on
			loop = fmt.Sprintf("{ %s; } & wait $!", loop)
		}
		fmt.Fprintf(&b, "%s\nsleep 0.%03d\n", loop, r.IntN(250))
		for range r.IntN(3) {
			p.err = append(p.err, fmt.Sprint(id, " err ", len(p.err)))
			fmt.Fprintf(&b, "echo %q >&2\n", p.err[len(p.err)-1])
		}
	}
	if r.IntN(5) == 0 {
		p.out = append(p.out, strings.Repeat("x", 50_000), "last")
		b.WriteString("printf 'x%.0s' {1..50000}; printf '\\nlast'\n")
	}
	fmt.Fprintf(&b, "exit %d\n", p.code)
	p.body = b.String()
	return p
}

// again calls f until it does not fail, as an operator does whose connections break.
func (m *mortal) again(what string, f func(context.Context) error) {
	deadline := time.Now().Add(2 * time.Minute)
	for {
		ctx, cancel := context.WithTimeout(m.t.Context(), 30*time.Second)
		err := f(ctx)
		cancel()
		if err == nil {
			return
		}
		m.counts.broken.Add(1)
		if answer, ok := errors.AsType[*halibut.ServerError](err); ok {
			m.t.Errorf("%s: the daemon answered an error: %v", what, answer)
			return
		}
		if time.Now().After(deadline) {
			m.t.Errorf("%s: in vain: %v", what, err)
			return
		}
		time.Sleep(10 * time.Millisecond) // between two tries
	}
}

// follow sees a script from its start to its completion, and returns its last status with all output.
func (m *mortal) follow(p plan) tentacle.ScriptStatusResponseV2 {
	command := tentacle.StartScriptCommandV2{ScriptTicket: ticket(p.id), ScriptBody: p.body, TaskID: p.id}
	if len(p.id)%2 == 0 {
		command.Isolation = tentacle.FullIsolation
	}
	var last tentacle.ScriptStatusResponseV2
	m.again("starting "+p.id, func(ctx context.Context) (err error) {
		last, err = m.client.StartScript(ctx, command)
		return err
	})
	logs := last.Logs
	for last.State != tentacle.Complete && !m.t.Failed() {
		m.again("following "+p.id, func(ctx context.Context) (err error) {
			wait := tentacle.WaitForStatusCommandV1{Ticket: ticket(p.id), LastLogSequence: last.NextLogSequence, MaxWait: halibut.TimeSpan(5 * time.Second)}
			got, err := m.client.WaitForStatus(ctx, wait)
			if err == nil {
				last = got
				logs = append(logs, got.Logs...)
			}
			return err
		})
	}
	last.Logs = logs
	m.again("completing "+p.id, func(ctx context.Context) error {
		return m.client.CompleteScript(ctx, tentacle.CompleteScriptCommandV2{Ticket: ticket(p.id)})
	})
	m.again("starting once more "+p.id, func(ctx context.Context) error {
		late, err := m.client.StartScript(ctx, command)
		if code, ok := tentacle.ParseAlreadyCompleted(late); err == nil && (!ok || code != last.ExitCode) {
			m.t.Errorf("%s: a late start gives %+v", p.id, late)
		}
		return err
	})
	return last
}

// judge compares what came of a script with its plan.
func (m *mortal) judge(p plan, got tentacle.ScriptStatusResponseV2) {
	m.counts.scripts.Add(1)
	if got.ExitCode != p.code {
		m.t.Errorf("%s: exit code %d, want %d", p.id, got.ExitCode, p.code)
	}
	m.same(p, "standard output", p.out, text(got.Logs, tentacle.StdOut))
	m.same(p, "standard error", p.err, text(got.Logs, tentacle.StdErr))
}

func (m *mortal) same(p plan, stream string, want, got []string) {
	for i := range max(len(want), len(got)) {
		if i >= len(want) || i >= len(got) || want[i] != got[i] {
			m.t.Errorf("%s, %s: %d lines, want %d; they differ at %d: %.100q, want %.100q", p.id, stream, len(got), len(want), i,
				got[min(i, len(got)):min(i+2, len(got))], want[min(i, len(want)):min(i+2, len(want))])
			return
		}
	}
}

// text is what a script wrote on one stream, without what the daemon says of a wait for the mutex.
func text(logs []tentacle.ProcessOutput, source tentacle.ProcessOutputSource) (lines []string) {
	for _, l := range logs {
		if l.Source == source && !strings.HasPrefix(l.Text, "##octopus[stdout-") && !strings.HasPrefix(l.Text, "Waiting for other scripts") {
			lines = append(lines, l.Text)
		}
	}
	return lines
}

// ran counts how often each script noted that it ran.
func (m *mortal) ran() map[string]int {
	counts := map[string]int{}
	data, _ := os.ReadFile(filepath.Join(m.home, "ran"))
	for id := range strings.FieldsSeq(string(data)) {
		counts[id]++
	}
	return counts
}

// operators follow scripts, several at a time, until the killing is over.
func (m *mortal) operators(name string, seed uint64, judge func(plan, tentacle.ScriptStatusResponseV2)) (all *sync.WaitGroup) {
	all = &sync.WaitGroup{}
	for i := range 3 {
		random := rand.New(rand.NewPCG(seed, uint64(i))) // #nosec G404,G115 -- instants, not secrets
		all.Go(func() {
			for n := 0; !m.t.Failed(); n++ {
				p := newPlan(m.home, fmt.Sprintf("%s-%d-%d", name, i, n), random)
				judge(p, m.follow(p))
				select {
				case <-m.over:
					return
				default:
				}
			}
		})
	}
	return all
}

// ranOnce ends the killing, lets the operators come to their end, and holds every script to having run once.
func (m *mortal) ranOnce(followers *sync.WaitGroup) {
	m.t.Helper()
	m.daemon.serves(m.t, m.e)
	close(m.over)
	followers.Wait()
	for id, n := range m.ran() {
		if n != 1 {
			m.t.Errorf("%s ran %d times", id, n)
		}
	}
}

// TestKilledDaemonsLoseNothing kills daemons at 200 random instants while scripts run on them.
func TestKilledDaemonsLoseNothing(t *testing.T) {
	const machines, kills = 8, 25
	seed := seeded(t)
	for i := range machines {
		t.Run(fmt.Sprint("machine", i), func(t *testing.T) {
			t.Parallel()
			m := newMortal(t)
			random := rand.New(rand.NewPCG(seed, uint64(100+i)))                      // #nosec G404,G115 -- instants, not secrets
			followers := m.operators(fmt.Sprint("k", i), seed+uint64(i)<<32, m.judge) // #nosec G115 -- small
			for range kills {
				if random.IntN(3) > 0 { // else it is killed while it starts
					m.daemon.serves(t, m.e)
				}
				time.Sleep(time.Duration(random.IntN(350)) * time.Millisecond) // the instant of the kill, not a wait
				m.daemon.kill()
				m.revive()
			}
			m.ranOnce(followers)
			if n := m.counts.scripts.Load(); int64(len(m.ran())) != n {
				t.Errorf("%d scripts noted that they ran, of %d", len(m.ran()), n)
			}
			t.Logf("%d kills, %d scripts, %d broken calls", kills, m.counts.scripts.Load(), m.counts.broken.Load())
		})
	}
}

// supervisors are the process ids of those who supervise scripts of the machine now.
func (m *mortal) supervisors() (ids []int) {
	files, _ := filepath.Glob(filepath.Join(m.home, ".tentacle", "tickets", "*", process.StartedFile))
	for _, file := range files {
		sight, err := process.Look(filepath.Dir(file))
		data, _ := os.ReadFile(file) // #nosec G304 -- a file of the test
		var s process.Started
		if err == nil && sight.State == process.Running && json.Unmarshal(data, &s) == nil && s.Process > 1 {
			ids = append(ids, s.Process)
		}
	}
	return ids
}

// judgeLost accepts a script that is Lost if it says so and leaves nothing behind.
func (m *mortal) judgeLost(p plan, got tentacle.ScriptStatusResponseV2) {
	if got.ExitCode != tentacle.ExitLost {
		m.judge(p, got)
		return
	}
	m.counts.lost.Add(1)
	if says := text(got.Logs, tentacle.StdErr); len(says) == 0 || !strings.HasPrefix(says[len(says)-1], "Lost: the script's supervisor ended") {
		m.t.Errorf("%s is lost and says %q", p.id, says)
	}
	if out := text(got.Logs, tentacle.StdOut); len(out) > len(p.out) {
		m.t.Errorf("%s is lost after more output than it makes", p.id)
	} else {
		m.same(plan{id: p.id}, "standard output of a lost script", p.out[:len(out)], out)
	}
}

// TestKilledSupervisorsAreToldAsLost kills supervisors, and half of the time their daemon with them.
func TestKilledSupervisorsAreToldAsLost(t *testing.T) {
	const machines, kills = 4, 10
	seed := seeded(t)
	for i := range machines {
		t.Run(fmt.Sprint("machine", i), func(t *testing.T) {
			t.Parallel()
			m := newMortal(t)
			random := rand.New(rand.NewPCG(seed, uint64(200+i)))                          // #nosec G404,G115 -- instants, not secrets
			followers := m.operators(fmt.Sprint("s", i), seed+uint64(i)<<40, m.judgeLost) // #nosec G115 -- small
			for n := range kills {
				time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond) // the instant of the kill, not a wait
				var ids []int
				eventually(t, "a script runs", func() bool { ids = m.supervisors(); return len(ids) > 0 })
				if n%2 == 0 {
					_ = syscall.Kill(ids[random.IntN(len(ids))], syscall.SIGKILL)
					continue
				}
				m.daemon.kill()
				for _, id := range m.supervisors() {
					_ = syscall.Kill(id, syscall.SIGKILL)
				}
				m.revive()
			}
			m.ranOnce(followers)
			if m.counts.lost.Load() == 0 {
				t.Error("no script was lost: the kills missed")
			}
			t.Logf("%d kills, %d scripts went on to their end, %d were lost", kills, m.counts.scripts.Load(), m.counts.lost.Load())
		})
	}
}
