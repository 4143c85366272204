package pending

import (
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/api/halibut"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func newHome(t *testing.T) home.Home {
	t.Helper()
	h, err := home.Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func open(h home.Home) *List { return Open(h, slog.New(slog.DiscardHandler)) }

func certificate(name string) *x509.Certificate { return &x509.Certificate{Raw: []byte(name)} }

func print256(name string) halibut.Thumbprint { return halibut.SHA256Thumbprint(certificate(name)) }

func from(address string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(address), Port: 4711} }

func written(t *testing.T, h home.Home, l *List) []Operator {
	t.Helper()
	if err := l.Sync(); err != nil {
		t.Fatal(err)
	}
	all, err := Read(h)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestWhoIsRefusedIsRememberedAcrossRestarts(t *testing.T) {
	h := newHome(t)
	l := open(h)
	l.Refused(certificate("a"), from("192.0.2.1"), noon)
	l.Refused(certificate("b"), from("2001:db8::1"), noon.Add(time.Second))
	l.Refused(certificate("a"), from("192.0.2.9"), noon.Add(time.Hour))
	written(t, h, l)
	l = open(h)
	l.Refused(certificate("a"), from("192.0.2.9"), noon.Add(2*time.Hour))
	l.Refused(certificate("c"), nil, noon.Add(2*time.Hour))
	got := written(t, h, l)
	if len(got) != 3 {
		t.Fatalf("%+v", got)
	}
	a := got[0]
	if a.Number != 1 || a.SHA256 != print256("a") || a.SHA1 != halibut.SHA1Thumbprint(certificate("a")) || a.Count != 3 ||
		!a.First.Equal(noon) || !a.Last.Equal(noon.Add(2*time.Hour)) || a.Address != "192.0.2.9" {
		t.Errorf("%+v", a)
	}
	if got[1].Number != 2 || got[1].Address != "2001:db8::1" || got[2].Number != 3 || got[2].SHA256 != print256("c") {
		t.Errorf("%+v", got[1:])
	}
}

func TestACommandsDecisionHoldsAgainstTheDaemonsMemory(t *testing.T) {
	h := newHome(t)
	l := open(h)
	for i, name := range []string{"approved", "ignored", "other"} {
		l.Refused(certificate(name), from("192.0.2.1"), noon.Add(time.Duration(i)*time.Second))
	}
	written(t, h, l)
	if removed, err := Remove(h, print256("approved")); err != nil || len(removed) != 1 {
		t.Fatalf("%+v, %v", removed, err)
	}
	if ignored, err := Ignore(h, halibut.SHA1Thumbprint(certificate("ignored"))); err != nil || len(ignored) != 1 {
		t.Fatalf("%+v, %v", ignored, err)
	}
	l.Refused(certificate("ignored"), from("192.0.2.1"), noon.Add(time.Hour))
	got := written(t, h, l)
	if len(got) != 2 || !got[0].Ignored || got[0].Count != 2 || got[0].Number != 2 || got[1].Ignored {
		t.Errorf("%+v", got)
	}
	l.Refused(certificate("approved"), from("192.0.2.1"), noon.Add(time.Hour)) // its trust was ended since
	if got = written(t, h, l); len(got) != 3 || got[2].Number != 4 || got[2].Count != 1 {
		t.Errorf("a number was given twice, or somebody is not back: %+v", got)
	}
}

// One address with a thousand certificates costs sixteen places, and strangers from everywhere do not push out an
// operator who comes again and again.
func TestAFloodOfStrangersDoesNotPushOutAnOperator(t *testing.T) {
	h := newHome(t)
	l := open(h)
	again := func(at time.Duration) { l.Refused(certificate("operator"), from("192.0.2.1"), noon.Add(at)) }
	again(0)
	again(5 * time.Minute)
	for i := range 1000 {
		l.Refused(certificate(fmt.Sprint("one address ", i)), from(fmt.Sprintf("2001:db8::%x", i+1)), noon.Add(10*time.Minute))
	}
	if got := written(t, h, l); len(got) != 1+maxPerSource || got[0].SHA256 != print256("operator") {
		t.Errorf("%d are remembered, first %+v", len(got), got[0])
	}
	for i := range 1000 {
		l.Refused(certificate(fmt.Sprint("many addresses ", i)), from(fmt.Sprintf("10.0.%d.%d", i/250, i%250)), noon.Add(20*time.Minute))
	}
	got := written(t, h, l)
	if len(got) != maxOperators || got[0].SHA256 != print256("operator") {
		t.Errorf("%d are remembered, first %+v", len(got), got[0])
	}
	l.Refused(certificate("late"), from("192.0.2.7"), noon.Add(time.Hour))
	if got = written(t, h, l); got[len(got)-1].SHA256 != print256("late") {
		t.Error("a full list takes nobody new")
	}
}

func TestRefusalsAreWrittenTogetherAndByThemselves(t *testing.T) {
	h := newHome(t)
	l := open(h)
	for range 500 {
		l.Refused(certificate("a"), from("192.0.2.1"), noon)
	}
	if _, err := os.Stat(h.Pending()); err == nil {
		t.Error("it is written at once, once for each refusal")
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if all, err := Read(h); err != nil {
			t.Fatal(err)
		} else if len(all) == 1 && all[0].Count == 500 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it is never written")
		}
	}
}

func TestADamagedListIsBegunAnew(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":           "{",
		"another version":   `{"version":9,"next":1,"operators":[]}`,
		"a number too high": `{"version":1,"next":1,"operators":[{"number":4,"sha256":"` + string(print256("x")) + `"}]}`,
		"no thumbprint":     `{"version":1,"next":9,"operators":[{"number":4,"sha256":"x"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			if err := os.WriteFile(h.Pending(), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Read(h); err == nil {
				t.Error("a command takes it for a list")
			}
			l := open(h)
			l.Refused(certificate("a"), from("192.0.2.1"), noon)
			if got := written(t, h, l); len(got) != 1 || got[0].Number != 1 {
				t.Errorf("%+v", got)
			}
		})
	}
}
