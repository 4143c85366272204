//go:build unix

package scripts

import (
	"crypto/x509"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mantledeploy/mantle/agent/internal/policy"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// judgement is an Allowed that keeps what it was asked, and refuses what the test says.
type judgement struct {
	mu     sync.Mutex
	asked  []policy.Start
	refuse func(policy.Start) error
}

func (j *judgement) allowed(s policy.Start) (int64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.asked = append(j.asked, s)
	if j.refuse == nil {
		return 0, nil
	}
	return 0, j.refuse(s)
}

// turns are the questions at the turn of a script.
func (j *judgement) turns() []policy.Start {
	j.mu.Lock()
	defer j.mu.Unlock()
	var all []policy.Start
	for _, s := range j.asked {
		if s.Turn {
			all = append(all, s)
		}
	}
	return all
}

func stepCall(t testing.TB, id string, secrets ...string) tentacle.StartScriptCommandV2 {
	t.Helper()
	c, err := step.Command(step.Plan{Ticket: id, Kind: step.KindRun, Namespace: "n", Environment: "e", Project: "p", RunUID: "u", Step: "s",
		Run: &step.Run{Shell: step.Python, Script: "pass", WorkingDir: "/srv"}}, secrets)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAStepIsCarriedOutByItsSupervisor(t *testing.T) {
	j := &judgement{}
	r := newRig(t, func(c *Config) {
		c.Engine, c.Allowed = []string{os.Args[0], "step"}, j.allowed
		c.Env = []string{step.EnvTentacleHome + "=" + c.Home}
	})
	ticket := r.inHome(".tentacle", "tickets", "call")
	got := r.run(bashStep(t, "call", `echo "$PW"; pwd; ps -o args= -p $PPID; ls `+ticket+`; cd "$TentacleHome"; grep -rlF "$PW" . && echo found; exit 3`, "hunter2"))
	supervisor := strings.Join([]string{os.Args[0], "supervise", ticket}, " ")
	r.want(told(got), 3, "********\n"+r.inHome("Work", "call")+"\n"+supervisor+"\nclaim\ncommand\noutput-0000000000000001\nstarted\n")
	want := &policy.Call{Kind: step.KindRun, Interpreter: step.Bash}
	for _, s := range j.asked {
		if diff := cmp.Diff(want, s.Call); diff != "" {
			t.Errorf("asked of:\n%s", diff)
		}
	}
	if len(j.asked) != 2 || len(j.turns()) != 1 {
		t.Errorf("asked %d times, %d of them at its turn", len(j.asked), len(j.turns()))
	}
	other := stepCall(t, "other")
	other.Scripts = map[string]string{"Bash": "echo as the shell does"}
	r.want(r.run(other), 0, "as the shell does\n")
	if last := j.turns()[1]; last.Call != nil {
		t.Errorf("a raw script was taken for a call: %+v", last.Call)
	}
}

func TestThoseThatRunAreCountedAlsoByTheNextDaemon(t *testing.T) {
	j := &judgement{}
	r := newRig(t, func(c *Config) { c.Allowed = j.allowed })
	for _, id := range []string{"a", "b"} {
		r.start(script(id, "sleep 300"))
		until(t, id+" runs", func() bool { return r.status(id, 0).State == tentacle.Running })
	}
	r.run(script("over", "true"))
	r.restart()
	until(t, "they are found", func() bool {
		return r.status("a", 0).State == tentacle.Running && r.status("b", 0).State == tentacle.Running
	})
	r.run(script("c", "true"))
	if _, err := r.StartScript(t.Context(), stranger, script("d", "true")); err != nil {
		t.Fatal(err)
	}
	until(t, "the stranger's turn comes", func() bool { return len(j.turns()) == 5 })
	var counted []int
	for _, s := range j.turns() {
		counted = append(counted, s.Running)
	}
	if diff := cmp.Diff([]int{0, 1, 2, 2, 0}, counted); diff != "" {
		t.Errorf("scripts that were running at each turn (-want +got):\n%s", diff)
	}
}

func TestARefusalIsOneLineAndLeavesTheTicketFree(t *testing.T) {
	j := &judgement{refuse: func(policy.Start) error { return errors.New("not today") }}
	r := newRig(t, func(c *Config) { c.Allowed = j.allowed })
	r.want(r.start(script("a", "echo ran")), tentacle.ExitRefused, "! The script is refused: not today\n")
	if exists(r.inHome("Work", "a")) || exists(r.inHome(".tentacle", "tickets", "a")) {
		t.Error("a refused script has left a folder")
	}
	id := r.startV1("echo ran")
	for range 2 {
		r.want(r.statusV1(id), tentacle.ExitRefused, "! The script is refused: not today\n")
		r.restart()
	}
	j.mu.Lock()
	j.refuse = nil
	j.mu.Unlock()
	r.want(r.run(script("a", "echo ran")), 0, "ran\n")
}

func TestBothThumbprintsOfAnOperatorAreKeptUntilItsTurn(t *testing.T) {
	j := &judgement{}
	r := newRig(t, func(c *Config) { c.Allowed = j.allowed })
	peer := halibut.Peer{Certificate: &x509.Certificate{Raw: []byte("certificate")}}
	hold := script("hold", "sleep 300")
	hold.Isolation = tentacle.FullIsolation
	r.start(hold)
	if _, err := r.StartScript(halibut.WithPeer(t.Context(), peer), operator, script("a", "true")); err != nil {
		t.Fatal(err)
	}
	r.restart()
	r.cancelScript("hold")
	r.await("a", 0)
	turns := j.turns()
	if last := turns[len(turns)-1]; last.SHA1 != halibut.SHA1Thumbprint(peer.Certificate) || last.Operator != operator {
		t.Errorf("asked of %s, %s", last.Operator, last.SHA1)
	}
}
