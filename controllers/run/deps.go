package run

import (
	"context"
	"io"
	"time"

	"github.com/mantledeploy/mantle/controllers/internal/packages"
	"github.com/mantledeploy/mantle/controllers/internal/tentacle"
)

// Deps are the doors that a run goes through.
type Deps struct {
	Machines   Machines
	Identities Identities
	Packages   Packages
	Logs       Logs
	// Reports enqueues runs whose actions have news, Fetched those whose packages have.
	Reports, Fetched runEvents
	// Now is the clock.
	Now func() time.Time
}

// Machines carries out actions; tentacle.Pool is one. No method waits for a machine.
type Machines interface {
	// Dispatch begins an action; the same ticket twice is one action.
	Dispatch(a tentacle.Action)
	// Report tells what is known of it.
	Report(ticket string) (tentacle.Report, bool)
	// Cancel asks the machine to end it.
	Cancel(ticket string)
	// Complete tells the machine that its result is written.
	Complete(m tentacle.Machine, ticket string)
	// Forget drops the report.
	Forget(ticket string)
}

// Identities tells who the operator is in a namespace.
type Identities interface {
	// For makes the identity at first need.
	For(ctx context.Context, namespace string) (*tentacle.Identity, error)
}

// Packages gives the archives that a run sends.
type Packages interface {
	// Ensure answers what is known of an archive and sees that it is fetched.
	Ensure(owner packages.Owner, ref packages.Ref) (packages.Package, packages.State, error)
	// RetryAt is when a failed archive is tried again.
	RetryAt(ref packages.Ref) time.Time
	// Open gives the archive as published.
	Open(digest string) (io.ReadCloser, error)
}

// Logs keeps the output of actions.
type Logs interface {
	// Sink takes the output of one action.
	Sink(namespace, run, target, step string, attempt int32) tentacle.LogSink
	// Kept tells whether that output is here, without reading it.
	Kept(namespace, run, target, step string, attempt int32) bool
	// Delete drops the output of a whole run.
	Delete(namespace, run string) error
}
