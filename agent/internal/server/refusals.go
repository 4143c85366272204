package server

import (
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
)

const (
	// refusalPause is how long the log keeps quiet about the same peer.
	refusalPause = time.Minute
	// maxRefusals is how many peers are told apart at once. Those beyond share one line.
	maxRefusals = 1024
)

// refusals writes refused peers to the log, boundedly: one line a minute for each address and
// thumbprint, saying how many there were since the last. It needs no timer.
type refusals struct {
	logger *slog.Logger

	mu   sync.Mutex
	seen map[refusal]*tally
}

type refusal struct {
	address, thumbprint string
}

type tally struct {
	logged time.Time
	quiet  int
}

func newRefusals(logger *slog.Logger) *refusals {
	return &refusals{logger: logger, seen: map[refusal]*tally{}}
}

func (r *refusals) record(p halibut.Peer, err error, now time.Time) {
	key := refusal{address: host(p.Address), thumbprint: "none"}
	if p.Certificate != nil {
		key.thumbprint = string(halibut.SHA256Thumbprint(p.Certificate))
	}
	count, key, log := r.count(key, now)
	if !log {
		return
	}
	attrs := []any{"from", key.address, "thumbprint", key.thumbprint, "count", count, "reason", err}
	if p.Certificate != nil && key.address != "others" {
		attrs = append(attrs, "remedy", "if this operator may deploy here: tentacle trust add "+key.thumbprint)
	}
	r.logger.Warn("a connection was refused", attrs...)
}

// count counts a refusal, and tells whether it is time for a line and under which key.
func (r *refusals) count(key refusal, now time.Time) (int, refusal, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, known := r.seen[key]
	if !known && len(r.seen) >= maxRefusals {
		r.forget(now)
	}
	if !known && len(r.seen) >= maxRefusals {
		key = refusal{address: "others", thumbprint: "others"}
		t = r.seen[key]
	}
	if t == nil {
		t = &tally{}
		r.seen[key] = t
	}
	t.quiet++
	if !t.logged.IsZero() && now.Sub(t.logged) < refusalPause {
		return 0, key, false
	}
	count := t.quiet
	t.logged, t.quiet = now, 0
	return count, key, true
}

// forget makes room: who has been quiet for a minute is as good as new.
func (r *refusals) forget(now time.Time) {
	for key, t := range r.seen {
		if now.Sub(t.logged) >= refusalPause {
			delete(r.seen, key)
		}
	}
}

func host(a net.Addr) string {
	if a == nil {
		return "unknown"
	}
	h, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return h
}
