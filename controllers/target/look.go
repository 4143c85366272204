package target

import (
	"context"
	"crypto/x509"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/controllers/internal/identity"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// lookTimeout bounds a look without a health script: a probe, with an engine that is brought, and reading the machine's
// journal. Each part has a bound of its own.
const lookTimeout = 13 * time.Minute

// The distances between looks at a machine that is not healthy: firstRetry, then retryFrom to twice that. Where many are not
// healthy, there is eachRetry for each of them. pokePause is the least distance between two looks, where a person asked for
// one, or somebody else found the machine unreachable, or reached it.
const (
	firstRetry = 10 * time.Second
	retryFrom  = 15 * time.Second
	eachRetry  = 20 * time.Millisecond
	pokePause  = 2 * time.Second
)

// Machines is what a look needs of the sessions; session.Pool is one.
type Machines interface {
	// Reachable connects, and asks nothing.
	Reachable(ctx context.Context, m session.Machine) error
	// Probe connects and asks for capabilities.
	Probe(ctx context.Context, m session.Machine) (session.Probe, error)
	// RunStep runs a health step to its end.
	RunStep(ctx context.Context, m session.Machine, pl step.Plan) (session.StepResult, error)
	// Inventory reads the machine's own journal.
	Inventory(ctx context.Context, m session.Machine) (step.Inventory, error)
}

// finding is what one look found. Err is nil where the machine was reached and trust holds.
type finding struct {
	At time.Time
	// Asked is the request of a person that the look was made for, if any.
	Asked     string
	Err       error
	Probe     session.Probe
	Inventory *step.Inventory
	// InventoryErr says why the journal could not be read.
	InventoryErr error
	// Health is how the health script ended; nil where there is none for this machine.
	Health    *session.StepResult
	HealthErr error
	// NoScript is the field of the policy that has no script for this machine, where it has one for others.
	NoScript string
}

// presented is the certificate that the machine showed, also where it was not the pinned one.
func (f *finding) presented() *x509.Certificate {
	var connect *halibut.ConnectError
	if errors.As(f.Err, &connect) {
		return connect.Presented
	}
	return f.Probe.Certificate
}

// pinHeld tells whether the presented certificate is the one that the target's pin, and the SHA-256 that is known,
// name; whatever else went wrong after that.
func (f *finding) pinHeld() bool {
	var connect *halibut.ConnectError
	if !errors.As(f.Err, &connect) {
		return true
	}
	return connect.Presented != nil && connect.Stage != halibut.ThumbprintMissing && connect.Stage != halibut.ThumbprintMismatch
}

// wanted is what a look is to do.
type wanted struct {
	machine session.Machine
	// journalOf is the certificate of which the journal was read; another one means reading it again.
	journalOf string
	// health is the script to run, nil for connectivity alone.
	health  *step.Health
	timeout time.Duration
	// asked is the request of a person that the look is made for, and away says that the last look did not reach the machine.
	asked string
	away  bool
}

// away tells whether the machine could not be connected to.
func (f *finding) away() bool {
	var connect *halibut.ConnectError
	if !errors.As(f.Err, &connect) {
		return false
	}
	switch connect.Stage {
	case halibut.NameNotResolved, halibut.NoRoute, halibut.ConnectionRefused, halibut.ConnectTimedOut:
		return true
	default:
		return false
	}
}

// cheap tells whether to look again costs the machine next to nothing: no script of a person ran, and no engine is brought.
func (f *finding) cheap() bool {
	return f.Err != nil || f.InventoryErr != nil || f.Probe.Facts.LowDisk != nil
}

// note keeps a finding and says when to look again.
func (ls *looks) note(at *watched, found *finding, interval time.Duration) {
	switch {
	case errors.Is(found.Err, session.ErrBusy): // the machine was not even tried: what is known of it still holds
		at.next = found.At.Add(firstRetry)
		return
	case found.healthy():
		ls.fails(at, 0)
		at.next = found.At.Add(interval - rand.N(interval/10+1)) //nolint:gosec // looks are spread, not hidden
	default:
		at.next = found.At.Add(min(ls.pause(at, found), max(interval, firstRetry)))
		ls.fails(at, at.failures+1)
	}
	at.last = found
}

// pause is how long to wait before looking again at a machine that is not healthy.
func (ls *looks) pause(at *watched, found *finding) time.Duration {
	switch {
	case at.failures == 0 || !found.cheap():
		return firstRetry << min(at.failures, 10)
	default:
		pause := max(retryFrom, time.Duration(ls.failing)*eachRetry)
		return pause + rand.N(pause) //nolint:gosec // looks are spread, not hidden
	}
}

// fails counts the failures in a row of a machine, and how many machines have any.
func (ls *looks) fails(at *watched, failures int) {
	if at.failures > 0 {
		ls.failing--
	}
	if at.failures = failures; failures > 0 {
		ls.failing++
	}
}

func (ls *looks) find(ctx context.Context, w wanted) *finding {
	found := &finding{}
	if found.Probe, found.Err = ls.machines.Probe(ctx, w.machine); found.Err != nil {
		return found
	}
	if found.Probe.Fits() != nil || found.Probe.Facts.LowDisk != nil { // it starts nothing
		return found
	}
	if found.Probe.Certificate != nil && string(halibut.SHA256Thumbprint(found.Probe.Certificate)) != w.journalOf {
		inventory, err := ls.machines.Inventory(ctx, w.machine)
		found.InventoryErr = err
		if err == nil {
			found.Inventory = &inventory
		}
	}
	if found.NoScript = noScript(w.health, found.Probe.Facts.OS); w.health != nil && found.NoScript == "" {
		done, err := ls.machines.RunStep(ctx, w.machine, step.Plan{Kind: step.KindHealth, Namespace: w.machine.Namespace,
			Target: w.machine.Name, TimeoutSeconds: int64(w.timeout.Seconds()), Health: w.health})
		found.HealthErr = err
		if err == nil {
			found.Health = &done
		}
	}
	return found
}

// noScript is the field that would have the script for the system; empty where it has.
func noScript(health *step.Health, system string) string {
	switch {
	case health == nil:
		return ""
	case system == "windows" && health.PowerShell == "":
		return "spec.healthCheck.powershell"
	case system != "windows" && health.Bash == "":
		return "spec.healthCheck.bash"
	default:
		return ""
	}
}

func (f *finding) healthy() bool {
	return f.Err == nil && f.Probe.Fits() == nil && f.Probe.Facts.LowDisk == nil && f.InventoryErr == nil && f.HealthErr == nil && (f.Health == nil || f.Health.Succeeded)
}

// lostIdentity is a finding of its own: without an identity nobody is called.
func lostIdentity(err error) bool { return errors.Is(err, identity.ErrLost) }
