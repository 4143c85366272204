package dispatch

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// Owner is the run that an action belongs to.
type Owner struct {
	types.NamespacedName
	UID types.UID
}

// LogSink stores an action's output. Append can be called again with entries that it already has: it must ignore them.
// seq is the number of the first entry, from 1.
type LogSink interface {
	Append(seq int64, out []tentacle.ProcessOutput) error
	// Size returns the size of the text in bytes, and Last the number of the last entry. They may read what an earlier process
	// stored.
	Size() int64
	Last() int64
}

// Action is one step to carry out on one machine, once.
type Action struct {
	// Ticket is the identity of this attempt; the machine starts it at most once.
	Ticket string
	// Owner is the run that is notified when the report changes.
	Owner Owner
	// Target and Step are names, used in messages and logs.
	Target, Step string
	// Locate returns the machine with its current address. It is called before every request to the machine, so it must
	// answer from memory. A *NotReady that is Final ends an action that was not sent; one that was sent waits with its
	// reason.
	Locate func(ctx context.Context) (session.Machine, error)
	// Prepare builds what is sent. It runs in the action's goroutine, and only if the machine does not know the ticket.
	Prepare func(ctx context.Context) (Prepared, error)
	// Later says that it is not the first step of its run on the machine. Such actions do not wait behind first ones.
	Later bool
	// Resume says that an earlier process may have started it: the machine is asked before anything is prepared.
	Resume bool
	// Away says that the machine is believed to be unreachable: one connection is tried, and nothing is prepared or sent.
	Away bool
	// Timeout of the step, from its start.
	Timeout time.Duration
	// Log stores the output; it may be nil.
	Log LogSink
}

// Prepared is what is sent to the machine for an action.
type Prepared struct {
	Plan    step.Plan
	Secrets []string
	// Content is the package that the step needs; nil if it needs none.
	Content *session.Content
}

// NotReady is an error of Prepare and Locate that says why an action cannot be prepared, or its machine cannot be
// located. The action waits and tries again, unless the error is Final. With any other error it waits with reason
// NotPrepared.
type NotReady struct {
	// Reason is a reason of v1alpha1; Message says what is missing and how to remedy it.
	Reason, Message string
	// Final says that trying again does not help.
	Final bool
	// RetryAfter is the pause before the next try; 0 means 2 s, doubling to 30 s.
	RetryAfter time.Duration
}

// Error returns the message.
func (e *NotReady) Error() string { return e.Message }

// Report is what is known of an action.
type Report struct {
	Ticket, Target, Step string
	// Phase is Running, or how the action ended.
	Phase v1alpha1.StepPhase
	// Sent is true once StartScript was accepted, or may have been.
	Sent bool
	// Unreached is true if the action ended as Failed, unsent, because its machine could not be reached in time. Reason
	// and Message are then those of the last try.
	Unreached bool
	// Once is true if only one connection was tried, because the machine was believed to be unreachable.
	Once bool
	// Reachable is true if nothing was found against beginning the action, whose machine was believed to be away. This action
	// goes no further.
	Reachable bool
	// Reason and Message say what a running action waits for, or why one did not succeed.
	Reason, Message string
	// ExitCode of the script; nil if it is not known.
	ExitCode *int32
	// Begun is when the process started on the machine, zero if that is not known. Finished is when the end was known.
	Begun, Finished time.Time
	// Seconds that the step took.
	Seconds float64
	// Outputs are the output variables that the step set.
	Outputs map[string]string
	// Pids are the processes that the machine could not end, at most 20.
	Pids []int
	// Host is the address of the machine when it was last located.
	Host string
	// LogSize is the size of the action's log in bytes; it is set at the end.
	LogSize int64
}

// Ended reports whether the action has ended.
func (r Report) Ended() bool { return r.Phase.IsTerminal() }
