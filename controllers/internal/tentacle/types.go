package tentacle

import (
	"crypto/tls"
	"io"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// Identity is who the operator is towards the machines of one namespace.
type Identity struct {
	Namespace   string
	Certificate tls.Certificate
	Thumbprint  halibut.Thumbprint
}

// Machine is all that is needed to reach one.
type Machine struct {
	Namespace, Name string
	UID             types.UID
	// Address is host:port.
	Address string
	// Thumbprint is the pin; SHA256 is required too where it is known.
	Thumbprint, SHA256 halibut.Thumbprint
	Identity           *Identity
	// ConnectTimeout bounds one try to connect; RetryDuration how long StartScript is tried.
	ConnectTimeout, RetryDuration time.Duration
}

// Content is a package that an action needs on the machine. It is sent only when the machine lacks it.
type Content struct {
	// SHA256 of the uncompressed archive, 64 hex digits.
	SHA256, Format string
	// Size of the archive as it is sent, in bytes.
	Size int64
	// Ready tells, where it is set, whether Open can give it by now. An error that wraps ErrNotFetched is waited for;
	// a *ContentError ends the action.
	Ready func() error
	// Path on the machine, relative to its home (step.ContentPath).
	Path string
	// Open gives the archive as it is sent.
	Open func() (io.ReadCloser, error)
}

// Barred says why an action must not be started any more.
type Barred struct {
	Reason, Message string
}

// LogSink takes an action's output. Append may be called again with entries that it holds already: they are
// ignored. seq is the number of the first entry, from 1.
type LogSink interface {
	Append(seq int64, out []tentacle.ProcessOutput) error
	// Size is how much text it has, in bytes. It may read what an earlier process left.
	Size() int64
}

// Action is one step to carry out on one machine, once.
type Action struct {
	Ticket  string
	Machine Machine
	Plan    step.Plan
	Secrets []string
	Content *Content
	// Timeout of the step, from its start.
	Timeout time.Duration
	Log     LogSink
	// Resume says that an earlier process may have started it: the machine is asked before anything is started.
	Resume bool
	// Barred is set, together with Resume, where the machine is only asked how the action ended.
	Barred *Barred
	// Owner is the run that is enqueued when the report changes.
	Owner types.NamespacedName
}

// State is how far an action is.
type State string

// The states of an action.
const (
	Sending State = "Sending"
	Waiting State = "Waiting"
	Running State = "Running"
	Ended   State = "Ended"
)

// Outcome is how an action ended.
type Outcome string

// The outcomes of an action.
const (
	OutcomeSucceeded Outcome = "Succeeded"
	OutcomeFailed    Outcome = "Failed"
	OutcomeUnsent    Outcome = "Unsent"
	OutcomeLost      Outcome = "Lost"
	OutcomeCancelled Outcome = "Cancelled"
	OutcomeAbandoned Outcome = "Abandoned"
	OutcomeRefused   Outcome = "Refused"
	OutcomeTimedOut  Outcome = "TimedOut"
)

// Report is what is known of an action.
type Report struct {
	Ticket string
	State  State
	// Begun is when its process started, zero while that is not known.
	Begun   time.Time
	Outcome Outcome
	// Reason and Message say why, where it did not succeed.
	Reason, Message string
	ExitCode        *int32
	Result          step.Result
	Seconds         float64
	Pid             int
	Finished        time.Time
	// LogSize is how much text the action's LogSink has, in bytes.
	LogSize int64
}
