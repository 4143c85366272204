package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

func aMachine(n int) Machine {
	return Machine{Namespace: "shop", Name: fmt.Sprint("web-", n), Address: fmt.Sprintf("192.0.2.%d:10933", n), Thumbprint: "00",
		Identity: &Identity{Namespace: "shop", Thumbprint: "11"}}
}

// awayPool is a Pool all of whose machines are away.
func awayPool(t *testing.T) *Pool {
	t.Helper()
	p := NewPool(Config{Linger: 10 * time.Millisecond, RetryPause: time.Millisecond, MaxFollowers: 1,
		DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("away") }})
	t.Cleanup(p.Close)
	return p
}

func (p *Pool) eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		p.mu.Lock()
		so := check()
		p.mu.Unlock()
		if so {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("not in time: " + what)
		}
	}
}

func TestNothingIsKeptOfAMachineThatNobodyWorksWith(t *testing.T) {
	p := awayPool(t)
	first, also, second := p.Open(aMachine(1)), p.Open(aMachine(1)), p.Open(aMachine(2))
	also.SetHasContent("AA", true)
	first.Close()
	second.Close()
	p.eventually(t, "the one that nobody works with is forgotten", func() bool { return len(p.endpoints) == 1 && len(p.clients) == 1 })
	also.Close()
	next := p.Open(aMachine(1)) // before it is forgotten
	also.linger()
	if !next.HasContent("aa") || !p.knows(next) {
		t.Error("a machine that is worked with was forgotten")
	}
	next.Close()
	p.eventually(t, "all is forgotten", func() bool { return len(p.endpoints) == 0 && len(p.clients) == 0 })
}

func (p *Pool) knows(s *Session) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.endpoints[s.key] == s.at
}

func TestWhatAMachineHoldsIsRememberedWithinABound(t *testing.T) {
	s := awayPool(t).Open(aMachine(1))
	defer s.Close()
	for n := range maxContents + 10 {
		s.SetHasContent(fmt.Sprint(n), true)
	}
	if n := len(s.at.contents); n > maxContents || !s.HasContent(fmt.Sprint(maxContents+9)) {
		t.Errorf("%d are remembered", n)
	}
	s.SetHasContent(fmt.Sprint(maxContents+9), false)
	if s.HasContent(fmt.Sprint(maxContents + 9)) {
		t.Error("what is gone is remembered")
	}
}

func TestMachinesAreRememberedWithinABound(t *testing.T) {
	m := newMemory()
	facts := &tentacle.Facts{Version: "1.0.0"}
	for n := range maxRemembered + 10 {
		m.setFacts(keyOf(Machine{Address: fmt.Sprint(n), Identity: &Identity{}}), facts)
	}
	newest, oldest := keyOf(Machine{Address: fmt.Sprint(maxRemembered), Identity: &Identity{}}), keyOf(Machine{Address: "0", Identity: &Identity{}})
	if n := m.machines.Len(); n != maxRemembered || m.get(newest).facts != facts || m.get(oldest).facts != nil {
		t.Errorf("%d are remembered; the newest: %t, the oldest: %t", n, m.get(newest).facts != nil, m.get(oldest).facts != nil)
	}
	if m.setFacts(newest, nil); m.machines.Len() != maxRemembered-1 {
		t.Error("a machine that failed is still remembered")
	}
}

// A session is resumed with the identity that made it, and only with a Mantle Tentacle.
func TestASessionIsOfOneIdentityAndOfAMantleTentacle(t *testing.T) {
	m := newMemory()
	key := keyOf(aMachine(1))
	own, other := sessions{m, key.clientKey}, sessions{m, clientKey{namespace: "other"}}
	own.Store(key.Endpoint, halibut.TLSSession{})
	if _, found := own.Load(key.Endpoint); found {
		t.Error("a session is resumed before it is known whose Tentacle it is")
	}
	m.setFacts(key, &tentacle.Facts{Version: "1.0.0"})
	if _, found := own.Load(key.Endpoint); !found {
		t.Error("a session is not resumed")
	}
	if _, found := other.Load(key.Endpoint); found {
		t.Error("a session is resumed with another identity")
	}
}

// A machine that stays away is not told of its results for ever, and not of any number of them.
func TestAMachineThatStaysAwayIsGivenUp(t *testing.T) {
	p := awayPool(t)
	p.mu.Lock()
	p.completing[keyOf(aMachine(2))] = make([]Completion, maxCompletions)
	p.mu.Unlock()
	p.Complete(Completion{Machine: aMachine(2)})
	if n := p.Completing(); n != maxCompletions {
		t.Errorf("%d wait for one machine", n)
	}
	p.mu.Lock()
	delete(p.completing, keyOf(aMachine(2)))
	p.mu.Unlock()
	for n := range 20 {
		p.Complete(Completion{Machine: aMachine(1), Ticket: tentacle.ScriptTicket{TaskID: fmt.Sprint(n)}})
	}
	p.eventually(t, "it is given up", func() bool { return len(p.completing) == 0 })
}

func TestOfARunThatIsGoneNoMachineIsTold(t *testing.T) {
	p := awayPool(t)
	key := keyOf(aMachine(1))
	p.completing[key] = []Completion{{Owner: "gone"}, {Owner: "there"}, {Owner: "gone"}}
	p.DropCompletions("gone")
	if left := p.completing[key]; len(left) != 1 || left[0].Owner != "there" {
		t.Errorf("kept are %+v", left)
	}
}

func TestAPlaceAmongTheFollowedIsGivenBack(t *testing.T) {
	p := awayPool(t)
	if !p.followers.TryEnter("shop") || p.followers.TryEnter("shop") {
		t.Fatal("the places are not bounded")
	}
	p.followers.Leave("shop")
	if !p.followers.TryEnter("shop") {
		t.Error("the place was not given back")
	}
}

func TestAnEngineIsReadAgainWhereItIsAnother(t *testing.T) {
	e := newEngines(t.TempDir())
	path := filepath.Join(e.dir, "tentacle-linux-amd64")
	for n := range 3 {
		if err := os.WriteFile(path, []byte(strings.Repeat("x", n)), 0o600); err != nil {
			t.Fatal(err)
		}
		found, err := e.find("linux", "amd64")
		if err != nil || found.size != int64(n) || len(e.known) != 1 {
			t.Errorf("found is one of %d bytes, %d are known: %v", found.size, len(e.known), err)
		}
	}
}
