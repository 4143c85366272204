package server

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/audit"
	"github.com/mantledeploy/mantle/agent/internal/trust"
	"github.com/mantledeploy/mantle/api/halibut"
)

func peer(address string, raw ...byte) halibut.Peer {
	p := halibut.Peer{Address: &net.TCPAddr{IP: net.ParseIP(address), Port: 40000}}
	if raw != nil {
		p.Certificate = &x509.Certificate{Raw: raw}
	}
	return p
}

// sheet is an audit log in memory.
type sheet struct {
	mu      sync.Mutex
	entries []audit.Entry
}

func (s *sheet) Note(e audit.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = append(s.entries, e)
}
func (s *sheet) Append(e audit.Entry) error { s.Note(e); return nil }
func (s *sheet) Head() audit.Head           { return audit.Head{} }

// total is how many refused connections the lines stand for.
func (s *sheet) total() (n int64) {
	for _, e := range s.entries {
		n += e.Count
	}
	return n
}

type nobodyPending struct{}

func (nobodyPending) Refused(*x509.Certificate, net.Addr, time.Time) {}
func (nobodyPending) Unreadable(string, net.Addr, time.Time)         {}

func tell(log *bytes.Buffer) (*refusals, *sheet) {
	s := &sheet{}
	return newRefusals(Config{Logger: slog.New(slog.NewTextHandler(log, nil)), Audit: s, Pending: nobodyPending{}}), s
}

func TestARefusedPeerIsWrittenDownOnceAMinuteWithACount(t *testing.T) {
	var log bytes.Buffer
	r, sheet := tell(&log)
	now, stranger := time.Now(), peer("192.0.2.1", 1)
	for range 100 {
		r.record(stranger, trust.ErrNotTrusted, now)
	}
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("%d lines for 100 refusals within a minute", n)
	}
	for _, want := range []string{"from=192.0.2.1", "count=1", "tentacle trust add " + string(halibut.SHA256Thumbprint(stranger.Certificate))} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the line lacks %s: %s", want, log.String())
		}
	}
	log.Reset()
	r.record(stranger, trust.ErrNotTrusted, now.Add(2*time.Minute))
	if !strings.Contains(log.String(), "count=100") { // 99 that were kept quiet, and this one
		t.Errorf("after a minute: %s", log.String())
	}
	log.Reset()
	r.record(peer("192.0.2.2", 1), trust.ErrNotTrusted, now)
	r.record(peer("192.0.2.1"), errors.New("no certificate"), now)
	if n := strings.Count(log.String(), "\n"); n != 2 || !strings.Contains(log.String(), "thumbprint=none") {
		t.Errorf("others are others: %s", log.String())
	}
	r.record(peer("192.0.2.2", 1), trust.ErrNotTrusted, now)
	r.flush()
	if len(sheet.entries) != 5 || sheet.total() != 104 {
		t.Errorf("%d lines in the audit log stand for %d connections: %+v", len(sheet.entries), sheet.total(), sheet.entries)
	}
	if e := sheet.entries[0]; e.What != audit.Connection || e.Decision != audit.Refused || e.Peer != "192.0.2.1" ||
		e.Operator != string(halibut.SHA256Thumbprint(stranger.Certificate)) || e.Count != 1 {
		t.Errorf("%+v", e)
	}
}

func TestManyRefusedPeersFillNeitherLogNorMemory(t *testing.T) {
	var log bytes.Buffer
	r, sheet := tell(&log)
	now := time.Now()
	for i := range 10 * maxRefusals {
		r.record(peer(fmt.Sprintf("2001:db8::%x", i+1), byte(i), byte(i>>8)), trust.ErrNotTrusted, now)
	}
	if n := strings.Count(log.String(), "\n"); n > maxRefusals+1 {
		t.Errorf("%d lines", n)
	}
	r.record(peer("192.0.2.1", 9), trust.ErrNotTrusted, now.Add(2*time.Minute))
	r.record(peer("192.0.2.2", 9), trust.ErrNotTrusted, now.Add(2*time.Minute))
	if !strings.Contains(log.String(), "from=192.0.2.2") {
		t.Error("a minute later there is no place for somebody else")
	}
	if r.flush(); sheet.total() != 10*maxRefusals+2 {
		t.Errorf("the lines stand for %d connections", sheet.total())
	}
}
