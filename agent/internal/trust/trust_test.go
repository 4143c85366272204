package trust

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/api/halibut"
)

func certificate(t *testing.T) *x509.Certificate {
	t.Helper()
	certPEM, _, err := halibut.NewIdentity("operator", halibut.ECDSA)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(certPEM)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newList(t *testing.T) (*List, home.Home) {
	t.Helper()
	h, err := home.Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return open(t, h), h
}

func open(t *testing.T, h home.Home) *List {
	t.Helper()
	l, err := Open(h, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustAdd(t *testing.T, l *List, p halibut.Thumbprint) {
	t.Helper()
	if added, err := l.Add(p); err != nil || !added {
		t.Fatalf("Add(%s) = %v, %v", p, added, err)
	}
}

func TestOnlyTrustedOperatorsPass(t *testing.T) {
	l, _ := newList(t)
	friend, stranger := certificate(t), certificate(t)
	if err := l.Check(friend); !errors.Is(err, ErrNotTrusted) {
		t.Errorf("before trust: %v", err)
	}
	for _, p := range []halibut.Thumbprint{halibut.SHA1Thumbprint(friend), halibut.SHA256Thumbprint(friend)} {
		mustAdd(t, l, p)
		if err := l.Check(friend); err != nil {
			t.Errorf("trusted by %s: %v", p, err)
		}
		if err := l.Check(stranger); !errors.Is(err, ErrNotTrusted) {
			t.Errorf("a stranger: %v", err)
		}
		if err := l.Check(nil); !errors.Is(err, ErrNoCertificate) {
			t.Errorf("no certificate: %v", err)
		}
		if removed, err := l.Remove(p); err != nil || len(removed) != 1 {
			t.Fatalf("Remove = %v, %v", removed, err)
		}
		if err := l.Check(friend); !errors.Is(err, ErrNotTrusted) {
			t.Errorf("after trust was removed: %v", err)
		}
	}
}

func TestAChangeByAnotherProcessIsSeenAtTheNextCheck(t *testing.T) {
	daemon, h := newList(t)
	friend := certificate(t)
	for range 3 {
		command := open(t, h)
		mustAdd(t, command, halibut.SHA256Thumbprint(friend))
		if err := daemon.Check(friend); err != nil {
			t.Errorf("after it was added elsewhere: %v", err)
		}
		if _, err := command.Remove(halibut.SHA256Thumbprint(friend)); err != nil {
			t.Fatal(err)
		}
		if err := daemon.Check(friend); !errors.Is(err, ErrNotTrusted) {
			t.Errorf("after it was removed elsewhere: %v", err)
		}
	}
}

func TestTrustBySHA1IsUpgradedAtTheFirstConnection(t *testing.T) {
	l, h := newList(t)
	friend := certificate(t)
	sha1, sha256 := halibut.SHA1Thumbprint(friend), halibut.SHA256Thumbprint(friend)
	mustAdd(t, l, sha1)
	if err := l.CheckOperator(sha256); !errors.Is(err, ErrNotTrusted) {
		t.Errorf("a ticket of an operator that never connected: %v", err)
	}
	if err := l.Check(friend); err != nil {
		t.Fatal(err)
	}
	got, err := open(t, h).Operators()
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Thumbprint != sha1 || got[0].SHA256 != sha256 {
		t.Errorf("stored %+v, want the SHA-256 beside the SHA-1", got)
	}
	if err := l.CheckOperator(sha256); err != nil {
		t.Errorf("a ticket of the upgraded operator: %v", err)
	}
	if added, err := l.Add(sha256); added || err != nil {
		t.Errorf("adding its SHA-256 = %v, %v; want that it is trusted already", added, err)
	}
}

func TestAfterTheUpgradeTheSHA256IsRequired(t *testing.T) {
	l, h := newList(t)
	friend, impostor := certificate(t), certificate(t)
	// What a collision of SHA-1 would look like: the entry of the impostor's SHA-1 belongs to friend.
	text := fmt.Sprintf(`{"version":1,"operators":[{"thumbprint":%q,"sha256":%q,"added":"2026-01-01T00:00:00Z"}]}`,
		halibut.SHA1Thumbprint(impostor), halibut.SHA256Thumbprint(friend))
	if err := os.WriteFile(h.Trust(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.Check(impostor); !errors.Is(err, ErrNotTrusted) {
		t.Errorf("same SHA-1, other SHA-256: %v", err)
	}
}

func TestAnUpgradeThatCannotBeStoredStillBinds(t *testing.T) {
	l, h := newList(t)
	friend := certificate(t)
	mustAdd(t, l, halibut.SHA1Thumbprint(friend))
	if err := os.Remove(h.State("lock")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(h.State("lock"), 0o700); err != nil { // no lock can be taken
		t.Fatal(err)
	}
	if err := l.Check(friend); err != nil {
		t.Fatal(err)
	}
	if err := l.CheckOperator(halibut.SHA256Thumbprint(friend)); err != nil {
		t.Errorf("its ticket: %v", err)
	}
}

func TestRemovingEitherThumbprintRemovesTheOperatorWhole(t *testing.T) {
	for _, by := range []func(*x509.Certificate) halibut.Thumbprint{halibut.SHA1Thumbprint, halibut.SHA256Thumbprint} {
		l, _ := newList(t)
		friend, other := certificate(t), certificate(t)
		mustAdd(t, l, halibut.SHA256Thumbprint(friend))
		mustAdd(t, l, halibut.SHA1Thumbprint(friend))
		mustAdd(t, l, halibut.SHA1Thumbprint(other))
		if err := l.change(func(o []Operator) ([]Operator, error) { o[1].SHA256 = halibut.SHA256Thumbprint(friend); return o, nil }); err != nil {
			t.Fatal(err)
		}
		removed, err := l.Remove(by(friend))
		if err != nil || len(removed) != 2 {
			t.Errorf("removed %v, %v; want both entries of the certificate", removed, err)
		}
		if err := l.Check(friend); !errors.Is(err, ErrNotTrusted) {
			t.Errorf("still trusted: %v", err)
		}
		if err := l.Check(other); err != nil {
			t.Errorf("the other one: %v", err)
		}
	}
}

func TestADamagedFileTrustsNobodyAndSaysSo(t *testing.T) {
	friend := certificate(t)
	for name, text := range map[string]string{
		"torn":         `{"version":1,"opera`,
		"newer":        `{"version":2,"operators":[]}`,
		"unknown name": `{"version":1,"operators":[],"everybody":true}`,
		"thumbprint":   `{"version":1,"operators":[{"thumbprint":"12:34"}]}`,
		"pin":          `{"version":1,"operators":[{"thumbprint":"` + string(halibut.SHA1Thumbprint(friend)) + `","sha256":"x"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			l, h := newList(t)
			mustAdd(t, l, halibut.SHA256Thumbprint(friend))
			if err := home.WriteFile(h.Trust(), []byte(text)); err != nil {
				t.Fatal(err)
			}
			err := l.Check(friend)
			if err == nil || errors.Is(err, ErrNotTrusted) || !strings.Contains(err.Error(), h.Trust()) {
				t.Errorf("%v, want an error that names the file", err)
			}
			if _, err := l.Add(halibut.SHA1Thumbprint(friend)); err == nil {
				t.Error("a damaged file was overwritten")
			}
		})
	}
}

func TestConcurrentChangesAreAllKept(t *testing.T) {
	l, h := newList(t)
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			p, err := halibut.ParseThumbprint(fmt.Sprintf("%040d", i))
			if err != nil {
				t.Error(err)
				return
			}
			list, err := Open(h, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := list.Add(p); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	got, err := l.Operators()
	if err != nil || len(got) != 10 {
		t.Errorf("%d operators, %v; want 10", len(got), err)
	}
}

func TestTheListIsBounded(t *testing.T) {
	many := make([]Operator, maxOperators)
	if _, _, err := add(many, "A", time.Now()); err == nil || !strings.Contains(err.Error(), "remove some") {
		t.Errorf("%v, want a refusal with its remedy", err)
	}
	kept, removed := remove([]Operator{{Thumbprint: "A"}}, "B")
	if diff := cmp.Diff([]Operator{{Thumbprint: "A"}}, kept); diff != "" || len(removed) != 0 {
		t.Errorf("removing a stranger: %s, removed %v", diff, removed)
	}
}
