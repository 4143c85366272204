package target

import (
	"context"
	"crypto/x509"
	"errors"
	"math/rand/v2"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/identity"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// checkTimeout limits a check without its health script: the probe, which may upload an engine, and reading the machine's
// journal. Each part has its own limit.
const checkTimeout = 13 * time.Minute

// The intervals between checks of a machine that is not healthy: firstRetry, then retryFrom to twice that. If many are not
// healthy, the interval is at least eachRetry for each of them. soonPause is the least interval if an annotation requests a
// check, or if an action could not reach the machine, or reached a machine that was unreachable.
const (
	firstRetry = 10 * time.Second
	retryFrom  = 15 * time.Second
	eachRetry  = 20 * time.Millisecond
	soonPause  = 2 * time.Second
)

// Machines is how a check calls machines. session.Pool implements it.
type Machines interface {
	// Reachable connects, and sends no request.
	Reachable(ctx context.Context, m session.Machine) error
	// Probe connects and asks for capabilities.
	Probe(ctx context.Context, m session.Machine) (session.Probe, error)
	// RunStep runs a health step to its end.
	RunStep(ctx context.Context, m session.Machine, pl step.Plan) (session.StepResult, error)
	// Inventory reads the machine's own journal.
	Inventory(ctx context.Context, m session.Machine) (step.Inventory, error)
}

// result is the result of one check. Err is nil if the machine was reached, and both sides trust each other.
type result struct {
	At time.Time
	// Asked is the value of the annotation that requested the check, if any.
	Asked string
	Err   error
	Probe session.Probe
	// certificate replaces Probe.Certificate in a result that is stored: a parsed certificate has ten times the size.
	certificate *v1alpha1.TargetCertificate
	Inventory   *step.Inventory
	// InventoryErr is why the journal could not be read.
	InventoryErr error
	// Health is the result of the health script; nil if there is none for this machine.
	Health    *session.StepResult
	HealthErr error
	// NoScript is the field of the policy that has no script for this machine's operating system, if the policy has one for
	// another.
	NoScript string
}

// presented returns the certificate that the machine presented, even if it does not match the pin.
func (f *result) presented() *x509.Certificate {
	var connect *halibut.ConnectError
	if errors.As(f.Err, &connect) {
		return connect.Presented
	}
	return f.Probe.Certificate
}

// pinHeld reports whether the presented certificate matches the target's pin, and the SHA-256 if that is known. It does not
// depend on later errors.
func (f *result) pinHeld() bool {
	var connect *halibut.ConnectError
	if !errors.As(f.Err, &connect) {
		return true
	}
	return connect.Presented != nil && connect.Stage != halibut.ThumbprintMissing && connect.Stage != halibut.ThumbprintMismatch
}

// checkSpec is what a check does.
type checkSpec struct {
	machine session.Machine
	// journalOf is the certificate for which the journal was read. If the machine presents another one, it is read again.
	journalOf string
	// health is the script to run; nil if only the connection is checked.
	health  *step.Health
	timeout time.Duration
	// asked is the value of the annotation that requested the check, if any. away means that the last check did not reach the
	// machine.
	asked string
	away  bool
}

// away reports whether the operator could not connect to the machine.
func (f *result) away() bool {
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

// cheap reports whether another check costs the machine little: no health script runs, and no engine is uploaded.
func (f *result) cheap() bool {
	return f.Err != nil || f.InventoryErr != nil || f.Probe.Facts.LowDisk != nil
}

// store stores a result, and the time of the next check.
func (c *checker) store(at *entry, found *result, interval time.Duration) {
	switch {
	case errors.Is(found.Err, session.ErrBusy): // no connection was attempted, so the last result stays valid
		at.next = found.At.Add(firstRetry)
		return
	case found.healthy():
		c.setFailures(at, 0)
		at.next = found.At.Add(interval - rand.N(interval/10+1)) //nolint:gosec // checks are spread over time, which needs no security
	default:
		at.next = found.At.Add(min(c.pause(at, found), max(interval, firstRetry)))
		c.setFailures(at, at.failures+1)
	}
	found.certificate, found.Probe.Certificate = shownCertificate(found.presented()), nil
	at.last = found
}

// pause returns how long to wait before the next check of a machine that is not healthy.
func (c *checker) pause(at *entry, found *result) time.Duration {
	switch {
	case at.failures == 0 || !found.cheap():
		return firstRetry << min(at.failures, 10)
	default:
		pause := max(retryFrom, time.Duration(c.failing)*eachRetry)
		return pause + rand.N(pause) //nolint:gosec // checks are spread over time, which needs no security
	}
}

// setFailures sets the number of consecutive failures of a machine, and updates the number of failing machines.
func (c *checker) setFailures(at *entry, failures int) {
	if at.failures > 0 {
		c.failing--
	}
	if at.failures = failures; failures > 0 {
		c.failing++
	}
}

// run does one check.
func (c *checker) run(ctx context.Context, w checkSpec) *result {
	found := &result{}
	if found.Probe, found.Err = c.machines.Probe(ctx, w.machine); found.Err != nil {
		return found
	}
	if found.Probe.Fits() != nil || found.Probe.Facts.LowDisk != nil { // no script can run
		return found
	}
	if found.Probe.Certificate != nil && string(halibut.SHA256Thumbprint(found.Probe.Certificate)) != w.journalOf {
		inventory, err := c.inventory(ctx, w.machine, found.Probe.Facts)
		found.InventoryErr = err
		if err == nil {
			found.Inventory = &inventory
		}
	}
	if found.NoScript = noScript(w.health, found.Probe.Facts.OS); w.health != nil && found.NoScript == "" {
		done, err := c.machines.RunStep(ctx, w.machine, step.Plan{Kind: step.KindHealth, Namespace: w.machine.Namespace,
			Target: w.machine.Name, TimeoutSeconds: int64(w.timeout.Seconds()), Health: w.health})
		found.HealthErr = err
		if err == nil {
			found.Health = &done
		}
	}
	return found
}

// inventory reads the machine's journal, unless the machine has none.
func (c *checker) inventory(ctx context.Context, m session.Machine, facts tentacle.Facts) (step.Inventory, error) {
	if facts.NoJournal {
		return step.Inventory{OS: facts.OS, Arch: facts.Arch}, nil
	}
	return c.machines.Inventory(ctx, m)
}

// noScript returns the field of the policy that has no script for the operating system; empty if it has one.
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

func (f *result) healthy() bool {
	return f.Err == nil && f.Probe.Fits() == nil && f.Probe.Facts.LowDisk == nil && f.InventoryErr == nil && f.HealthErr == nil && (f.Health == nil || f.Health.Succeeded)
}

// same reports whether two results say the same, namely that the machine is healthy, and nothing else must be recorded.
func (f *result) same(before *result) bool {
	if !f.healthy() || !before.healthy() || f.Asked != "" || f.Inventory != nil || before.Inventory != nil || f.NoScript != before.NoScript ||
		f.Probe.Octopus != before.Probe.Octopus {
		return false
	}
	now, was := f.Probe.Facts, before.Probe.Facts
	now.Audit, now.NoJournal = was.Audit, was.NoJournal // they change with each run
	return equality.Semantic.DeepEqual(now, was) && equality.Semantic.DeepEqual(f.certificate, before.certificate)
}

// lostIdentity reports whether the operator's identity is lost. Without it, no machine can be called.
func lostIdentity(err error) bool { return errors.Is(err, identity.ErrLost) }
