package pending

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/agent/internal/sorted"
	"github.com/mantledeploy/mantle/api/halibut"
)

const (
	maxOperators = 256
	maxPerSource = 16
	// fleeting is how long somebody must have tried to count as one who comes again and again.
	fleeting = time.Minute
	// firstWrite is how long a change waits for others before it is written, and pause the least time between two
	// writes.
	firstWrite = time.Second
	pause      = 30 * time.Second
)

// List is who is pending, in the memory of the daemon. It is safe for concurrent use. There is one for a home.
type List struct {
	home   home.Home
	logger *slog.Logger

	mu        sync.Mutex
	operators map[halibut.Thumbprint]*Operator
	sources   map[halibut.Thumbprint]string
	dirty     bool
	timer     *time.Timer
	written   time.Time

	writing sync.Mutex // held while the file is changed; before mu
}

// Open reads who was pending when the daemon last ran. A list that cannot be read is logged and begun anew.
func Open(h home.Home, logger *slog.Logger) *List {
	l := &List{home: h, logger: logger, operators: map[halibut.Thumbprint]*Operator{}, sources: map[halibut.Thumbprint]string{}}
	c, err := read(h)
	if err != nil {
		logger.Warn("the list of refused operators cannot be read, and is begun anew", "error", err)
	}
	for _, o := range c.Operators {
		o.stored = true
		l.operators[o.SHA256] = &o
		l.sources[o.SHA256] = sourceOf(&net.TCPAddr{IP: net.ParseIP(o.Address)})
	}
	return l
}

func sourceOf(a net.Addr) string {
	if a == nil {
		return "unknown"
	}
	return halibut.Source(a)
}

// Refused remembers that the owner of c was refused.
func (l *List) Refused(c *x509.Certificate, from net.Addr, now time.Time) {
	l.note(Operator{SHA1: halibut.SHA1Thumbprint(c), SHA256: halibut.SHA256Thumbprint(c)}, from, now)
}

// Unreadable remembers that somebody came from an address with a certificate that cannot be read, as reason says.
func (l *List) Unreadable(reason string, from net.Addr, now time.Time) {
	sum := sha256.Sum256([]byte("unreadable " + sourceOf(from)))
	l.note(Operator{SHA256: halibut.Thumbprint("sha256:" + hex.EncodeToString(sum[:])), Unreadable: reason}, from, now)
}

func (l *List) note(who Operator, from net.Addr, now time.Time) {
	now = now.UTC().Truncate(time.Second)
	l.mu.Lock()
	defer l.mu.Unlock()
	o := l.operators[who.SHA256]
	if o == nil {
		source := sourceOf(from)
		l.makeRoom(source)
		who.First = now
		o = &who
		l.operators[who.SHA256], l.sources[who.SHA256] = o, source
	}
	o.Unreadable = who.Unreadable
	o.Last = now
	o.Count++
	o.Address = "unknown"
	if from != nil {
		o.Address = from.String()
		if host, _, err := net.SplitHostPort(o.Address); err == nil {
			o.Address = host
		}
	}
	l.dirty = true
	if l.timer == nil {
		l.timer = time.AfterFunc(max(firstWrite, pause-time.Since(l.written)), l.writeLater)
	}
}

// makeRoom forgets somebody where one more of source would be too many. Who calls it holds mu.
func (l *List) makeRoom(source string) {
	counts := map[string]int{}
	for _, s := range l.sources {
		counts[s]++
	}
	full := len(l.operators) >= maxOperators
	if !full && counts[source] < maxPerSource {
		return
	}
	var victim *Operator
	for sha256, o := range l.operators {
		if counts[source] >= maxPerSource && l.sources[sha256] != source {
			continue
		}
		if victim == nil || l.goesFirst(o, victim, counts) {
			victim = o
		}
	}
	delete(l.operators, victim.SHA256)
	delete(l.sources, victim.SHA256)
}

// goesFirst tells whether a is forgotten rather than b.
func (l *List) goesFirst(a, b *Operator, counts map[string]int) bool {
	if x, y := counts[l.sources[a.SHA256]], counts[l.sources[b.SHA256]]; x != y {
		return x > y
	}
	if x, y := a.passing(), b.passing(); x != y {
		return x
	}
	return a.Last.Before(b.Last)
}

// passing tells of one who may never come again.
func (o Operator) passing() bool { return o.Last.Sub(o.First) < fleeting }

func (l *List) writeLater() {
	if err := l.Sync(); err != nil {
		l.logger.Warn("writing the list of refused operators; the next refusal tries again", "error", err)
	}
}

// Sync writes what is new, and forgets whom a command has removed.
func (l *List) Sync() error {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.mu.Lock()
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	dirty := l.dirty
	l.written, l.dirty = time.Now(), false
	l.mu.Unlock()
	err := l.home.Change(func() error {
		c, err := read(l.home)
		if err != nil {
			c = content{Next: 1} // it was logged when it was opened, and holds nothing that cannot be lost
			l.forget(&c)
		}
		l.merge(&c)
		if !dirty {
			return nil
		}
		return write(l.home, c)
	})
	if err != nil {
		l.mu.Lock()
		l.dirty = l.dirty || dirty
		l.mu.Unlock()
	}
	return err
}

// forget makes everybody new to the file, which is lost, but for their numbers.
func (l *List) forget(c *content) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range l.operators {
		o.stored = false
		c.Next = max(c.Next, o.Number+1)
	}
}

// merge takes what commands decided from the file, and makes its content that of the memory.
func (l *List) merge(c *content) {
	l.mu.Lock()
	defer l.mu.Unlock()
	inFile := map[halibut.Thumbprint]Operator{}
	for _, o := range c.Operators {
		inFile[o.SHA256] = o
	}
	c.Operators = nil
	for sha256, o := range l.operators {
		at, found := inFile[sha256]
		switch {
		case found:
			o.Number, o.Ignored = at.Number, at.Ignored
		case o.stored:
			delete(l.operators, sha256)
			delete(l.sources, sha256)
			continue
		case o.Number == 0:
			o.Number = -1 // given below, in the order of arrival
		}
		o.stored = true
		c.Operators = append(c.Operators, *o)
	}
	sorted.By(c.Operators, func(a, b Operator) int {
		if a.Number > 0 && b.Number > 0 {
			return a.Number - b.Number
		}
		if a.Number != b.Number { // those without a number are the newest
			return b.Number - a.Number
		}
		return a.First.Compare(b.First)
	})
	for i := range c.Operators {
		if o := &c.Operators[i]; o.Number < 0 {
			o.Number = max(c.Next, 1)
			c.Next = o.Number + 1
			l.operators[o.SHA256].Number = o.Number
		}
	}
}
