package trust

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/api/halibut"
)

// ErrNotTrusted is the answer to an operator that is not on the list.
var ErrNotTrusted = errors.New("not trusted on this machine")

// ErrNoCertificate is the answer to a peer that showed no certificate.
var ErrNoCertificate = errors.New("no certificate was shown")

// List is the list of trusted operators of one home. It is safe for concurrent use, and so are several
// Lists of one home, in one process or in many.
type List struct {
	home   home.Home
	logger *slog.Logger
	bound  func(sha1, sha256 halibut.Thumbprint)

	mu        sync.Mutex
	operators []Operator
	seen      os.FileInfo
	current   bool
}

// Open returns the list of h. It reads the file, and fails where it is damaged.
func Open(h home.Home, logger *slog.Logger) (*List, error) {
	l := &List{home: h, logger: logger, bound: func(_, _ halibut.Thumbprint) {}}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l, l.refresh()
}

// OnBound has f told when an operator that was trusted by SHA-1 is bound to a SHA-256. Call it before the first
// check; f must not use the list.
func (l *List) OnBound(f func(sha1, sha256 halibut.Thumbprint)) { l.bound = f }

// Operators returns who is trusted, in the order in which they were added.
func (l *List) Operators() ([]Operator, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.refresh(); err != nil {
		return nil, err
	}
	return slices.Clone(l.operators), nil
}

// Add trusts t, and tells whether it was not trusted before.
func (l *List) Add(t halibut.Thumbprint) (added bool, err error) {
	err = l.change(func(operators []Operator) ([]Operator, error) {
		operators, added, err = add(operators, t, time.Now())
		return operators, err
	})
	return added, err
}

// Remove ends the trust in t and in every other thumbprint known to be of the same certificate. It
// returns the entries that are gone; none means that t was not trusted.
func (l *List) Remove(t halibut.Thumbprint) (removed []Operator, err error) {
	err = l.change(func(operators []Operator) ([]Operator, error) {
		operators, removed = remove(operators, t)
		return operators, nil
	})
	return removed, err
}

// Check tells whether the owner of c may be obeyed: nil, ErrNotTrusted, ErrNoCertificate, or why the
// list cannot be read. The first time that an operator trusted by SHA-1 passes, its SHA-256 is stored.
func (l *List) Check(c *x509.Certificate) error {
	if c == nil {
		return ErrNoCertificate
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.refresh(); err != nil {
		return err
	}
	sha256 := halibut.SHA256Thumbprint(c)
	upgrade := false
	for _, o := range l.operators {
		switch required := o.required(); {
		case required == sha256:
			return nil
		case required == "" && o.Thumbprint.Matches(c):
			upgrade = true
		}
	}
	if !upgrade {
		return ErrNotTrusted
	}
	return l.upgrade(halibut.SHA1Thumbprint(c), sha256)
}

// CheckOperator tells whether the operator known by the SHA-256 thumbprint t may still be obeyed, as
// Check does for one that is connected.
func (l *List) CheckOperator(t halibut.Thumbprint) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.refresh(); err != nil {
		return err
	}
	if slices.ContainsFunc(l.operators, func(o Operator) bool { return t != "" && o.required() == t }) {
		return nil
	}
	return ErrNotTrusted
}

// Reload makes the next check read the file, whatever it looks like from outside.
func (l *List) Reload() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current = false
}

// refresh reads the file where it was replaced since it was last read. Who calls it holds mu.
func (l *List) refresh() error {
	info, err := os.Stat(l.home.Trust())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("looking at %s: %w", l.home.Trust(), err)
	}
	if l.current && home.Unchanged(l.seen, info) {
		return nil
	}
	operators, err := read(l.home)
	if err != nil {
		return err
	}
	l.operators, l.seen, l.current = operators, info, true
	return nil
}

// change lets f turn the list, read anew inside the home's lock, into another, and writes that.
func (l *List) change(f func([]Operator) ([]Operator, error)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current = false
	return l.home.Change(func() error {
		before, err := read(l.home)
		if err != nil {
			return err
		}
		after, err := f(slices.Clone(before))
		if err != nil || slices.Equal(before, after) {
			return err
		}
		return write(l.home.Trust(), after)
	})
}

// upgrade stores sha256 beside every entry that knows only sha1. If it cannot be stored (a full disk),
// it is required all the same for as long as this list lives and the file stays as it is. Who calls
// it holds mu.
func (l *List) upgrade(sha1, sha256 halibut.Thumbprint) error {
	trusted := false
	pin := func(operators []Operator) {
		trusted = false
		for i, o := range operators {
			if o.Thumbprint == sha1 && o.SHA256 == "" {
				operators[i].SHA256 = sha256
			}
			trusted = trusted || operators[i].required() == sha256
		}
	}
	err := l.home.Change(func() error {
		operators, err := read(l.home)
		if err != nil {
			return err
		}
		before := slices.Clone(operators)
		pin(operators)
		if slices.Equal(before, operators) {
			return nil
		}
		return write(l.home.Trust(), operators)
	})
	if err != nil {
		l.logger.Warn("storing the SHA-256 of an operator trusted by SHA-1 failed; it is kept in memory", "thumbprint", sha1, "error", err)
		pin(l.operators)
	} else {
		l.logger.Info("operator trusted by SHA-1 is known by SHA-256 from now on", "thumbprint", sha1, "sha256", sha256)
		l.bound(sha1, sha256)
		l.current = false
	}
	if !trusted {
		return ErrNotTrusted
	}
	return nil
}
