package scripts

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/account"
	"github.com/mantledeploy/mantle/agent/internal/audit"
	"github.com/mantledeploy/mantle/agent/internal/policy"
	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/agent/internal/process/output"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// MinFree is how much must be free in a home for a script to be started, in bytes, where Config says nothing
// else.
const MinFree = 500 << 20

// Config is what a Store needs. Home and Supervisor must be set; each duration and limit has a default.
type Config struct {
	// Home is the resolved home. Its folders .tentacle and Work are made where they are missing.
	Home string
	// Supervisor is the command line of the supervisor, to which the ticket's folder is appended.
	Supervisor []string
	// Env is added to the environment of every script, as NAME=value.
	Env []string
	// Account is the one that scripts run as, and to which Work belongs; nil is the daemon's own.
	Account *account.Account
	// Engine is the command line of the engine, which carries out steps. What calls it (api/step.IsCall) is run by it
	// directly, without the shell that the call is written for; nil leaves that to the shell.
	Engine []string
	// Allowed says whether a script may start, and how much of its output is kept (bytes; 0 is what Output says). It
	// is asked again when the script's turn comes; the text of its error goes to the operator. nil allows all.
	Allowed func(policy.Start) (maxOutput int64, err error)
	// Audit records what operators ask for and what became of it; an error means that it could not, and starts are
	// refused for now. ctx is that of the call; without a peer in it nobody called. nil records nothing.
	Audit func(ctx context.Context, e audit.Entry) error

	Grace   time.Duration // from TERM to KILL when a script is cancelled; 10 s
	Abandon time.Duration // from KILL to giving a script up; 5 s
	Drain   time.Duration // how long output is waited for after the script's own exit; 10 s
	Notice  time.Duration // how long a script waits for its mutex before its output says so; 100 ms
	Poll    time.Duration // how often a supervisor of an earlier daemon is looked at; 100 ms
	Settle  time.Duration // how long WaitForStatus gathers output after the first new line; 200 ms

	// Hold is how long GetStatus waits for news of a script that runs; 0 is not at all. Octopus's client comes ever more seldom
	// the more often it was answered.
	Hold time.Duration

	TombstoneAge time.Duration // how long a completed ticket is remembered; 30 days
	CancelledAge time.Duration // how long a ticket is remembered that was cancelled and never arrived; 1 day
	FinishedAge  time.Duration // when a finished ticket that nobody completed is swept; 7 days
	Gather       time.Duration // how long completed tickets are gathered before their tombstones are synced together; 500 ms
	SweepPause   time.Duration // the least time between two sweeps; 1 h

	MaxTickets int // how many scripts of one operator are known at a time, whether they wait, run or have ended; 1,000
	MaxCancels int // how many tickets of one operator are remembered that were cancelled and never arrived; 10,000

	MinFree   int64         // free bytes in the home below which no script is started; 500 MB
	MaxReply  int64         // output in one response, text and 64 bytes for each line; 4 MiB
	MaxStatus int64         // MaxReply for GetStatus; 192 MiB
	Output    output.Limits // what is kept of a script's output

	// Now is the clock; nil is the machine's.
	Now func() time.Time

	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	for field, value := range map[*time.Duration]time.Duration{
		&c.Grace: 10 * time.Second, &c.Abandon: 5 * time.Second, &c.Drain: 10 * time.Second,
		&c.Notice: 100 * time.Millisecond, &c.Poll: 100 * time.Millisecond, &c.Settle: 200 * time.Millisecond,
		&c.Gather: 500 * time.Millisecond, &c.TombstoneAge: 30 * 24 * time.Hour, &c.CancelledAge: 24 * time.Hour, &c.FinishedAge: 7 * 24 * time.Hour, &c.SweepPause: time.Hour,
	} {
		if *field == 0 {
			*field = value
		}
	}
	if c.MaxTickets == 0 {
		c.MaxTickets = maxTickets
	}
	if c.MaxCancels == 0 {
		c.MaxCancels = maxCancels
	}
	if c.MinFree == 0 {
		c.MinFree = MinFree
	}
	if c.MaxReply == 0 {
		c.MaxReply = tentacle.MaxResponse
	}
	if c.MaxStatus == 0 {
		c.MaxStatus = tentacle.MaxStatus
	}
	if c.Allowed == nil {
		c.Allowed = func(policy.Start) (int64, error) { return 0, nil }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Audit == nil {
		c.Audit = func(context.Context, audit.Entry) error { return nil }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Store is the scripts of one home. Its methods are safe for concurrent use.
type Store struct {
	cfg        Config
	state      string
	tickets    string // the folder of the tickets' journals
	tombstones string
	cancelled  string // the folder of the tombstones of tickets that never arrived
	work       string
	mutexes    mutexTable
	entering   sync.Mutex // held while a ticket whose turn has come is judged and counted

	mu     sync.Mutex
	known  map[string]*ticket // by the ticket in lower case
	graves []*ticket          // completed, with a tombstone that is not synced yet
	swept  time.Time
	clock  sync.Mutex // held while the clock is read
	// cancels is how many tombstones of tickets that never arrived each operator has.
	cancels map[string]int

	made atomic.Int64 // how many tickets V1 made

	// life ends with Close; the goroutines of tickets and all waits end with it.
	life  context.Context //nolint:containedctx // it is the store's own, not that of a call
	end   context.CancelFunc
	alive sync.WaitGroup
}

// Open finds what an earlier daemon left in the home, settles what can be settled, and goes on with what
// waits or runs. The caller holds the home's lock. A ticket that cannot be read is logged and kept as Lost;
// Open fails only when the folders themselves cannot be used.
func Open(cfg Config) (*Store, error) {
	cfg = cfg.withDefaults()
	state := filepath.Join(cfg.Home, ".tentacle")
	s := &Store{
		cfg: cfg, state: state,
		tickets: filepath.Join(state, "tickets"), tombstones: filepath.Join(state, "tombstones"), cancelled: filepath.Join(state, "cancelled"),
		work:  filepath.Join(cfg.Home, "Work"),
		known: map[string]*ticket{},
	}
	s.life, s.end = context.WithCancel(context.Background())
	for _, dir := range []string{state, s.tickets, s.tombstones, s.cancelled} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("making the folders of the scripts: %w", err)
		}
	}
	if err := os.MkdirAll(s.work, 0o755); err != nil { // #nosec G301 -- scripts may run as others
		return nil, fmt.Errorf("making the folders of the scripts: %w", err)
	}
	for _, dir := range []string{cfg.Home, state, s.tombstones, s.cancelled} {
		if err := process.SyncDir(dir); err != nil {
			return nil, fmt.Errorf("making the folders of the scripts durable: %w", err)
		}
	}
	err := s.countCancels()
	if err == nil {
		err = s.recover()
	}
	if err != nil {
		s.end()
		return nil, fmt.Errorf("finding scripts of an earlier start: %w", err)
	}
	s.sweep()
	return s, nil
}

// Close ends all waits and forgets everything that is in memory. Scripts that run go on, those that wait
// for their turn get it when the home is opened again.
func (s *Store) Close() error {
	s.mu.Lock() // no start is admitted afterwards
	s.end()
	s.mu.Unlock()
	s.alive.Wait()
	return nil
}
