package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	identities "github.com/mantledeploy/mantle/controllers/internal/identity"
	"github.com/mantledeploy/mantle/controllers/internal/plan"
	"github.com/mantledeploy/mantle/controllers/internal/tentacle"
)

// pauses before what could not be prepared is tried again, where no event tells when.
const (
	retryPrepare = 2 * time.Second
	retryResume  = 5 * time.Second
)

// readyWithin is how long an action that is taken up waits for its release to be ready. Then the machine is only asked.
const readyWithin = 5 * time.Minute

// patience is how long a pass goes on preparing after something failed: each failure may have waited for an API server
// that does not answer, and what is known of other actions must be written.
const patience = 5 * time.Second

// resume hands rows that are written as Running, by an earlier process or by a pass that ended early, to the sessions,
// which ask the machines before they start anything. It tells the machines, also again, of results that are written.
// The answer is when to come again for what cannot be taken up yet.
func (r *Reconciler) resume(ctx context.Context, f facts, l *live) (again time.Duration) {
	completes := sync.OnceValue(func() func(plan.Key) bool { return plan.Completes(planFacts(f, l)) })
	for k, row := range l.rows {
		if again > 0 && r.Now().Sub(f.Now) > patience {
			break
		}
		var err error
		switch {
		case !row.stored:
		case row.Phase == v1alpha1.StepRunning && !row.sent:
			err = r.takeUp(ctx, f, l, plan.Start{Key: k, Attempt: row.Attempt, Final: completes()(k)})
		case row.Phase.IsTerminal() && row.Attempt > 0 && !row.completed:
			err = r.complete(ctx, f, l, k)
		}
		if err != nil {
			ctrl.LoggerFrom(ctx).Info("cannot ask a machine yet", "target", k.Target, "step", k.Step, "why", err.Error())
			again = retryResume
		}
	}
	return again
}

// takeUp has the machine asked about one action. Where it could not be started now, the machine is asked all the same.
func (r *Reconciler) takeUp(ctx context.Context, f facts, l *live, start plan.Start) error {
	row := l.rows[start.Key]
	row.Host = cmp.Or(row.Host, l.host(f, start.Target))
	action, err := r.compose(ctx, f, l, start)
	if err != nil && !l.readySoon(f, start.Key, err) {
		action.Barred = barred(err, f.Stop)
	}
	if err != nil && (action.Barred == nil || action.Machine.Address == "") {
		return err
	}
	delete(l.held, start.Key)
	action.Resume, row.sent = true, true
	r.Machines.Dispatch(action)
	if row.CancelSent {
		r.Machines.Cancel(action.Ticket)
	}
	return nil
}

// readySoon tells whether the release of an action that is taken up may yet become ready, before the machine is asked.
func (l *live) readySoon(f facts, k plan.Key, err error) bool {
	var wait *waitError
	if !errors.As(err, &wait) || wait.Reason != v1alpha1.ReasonReleaseNotReady || f.Stop == plan.Cancel {
		return false
	}
	return f.Now.Sub(l.noteHeld(k, f.Now)) < readyWithin
}

// barred says why an action is not started where its machine does not know it; nil where the error may soon pass.
func barred(err error, stop plan.Stop) *tentacle.Barred {
	var never *endError
	var wait *waitError
	switch {
	case errors.As(err, &never):
		return &tentacle.Barred{Reason: never.reason, Message: err.Error()}
	case errors.As(err, &wait):
		return &tentacle.Barred{Reason: wait.Reason, Message: err.Error()}
	case stop == plan.Cancel:
		return &tentacle.Barred{Reason: v1alpha1.ReasonNotPrepared, Message: err.Error()}
	default:
		return nil
	}
}

// complete tells the machine that the result is written, once for this process. It is not told of one that may yet be
// lost: it would answer a next leader with nothing but the exit code.
func (r *Reconciler) complete(ctx context.Context, f facts, l *live, k plan.Key) error {
	ticket := l.ticket(f.Run, k)
	m, err := r.machine(ctx, f, l, k.Target)
	var never *endError
	switch {
	case err == nil:
		r.Machines.Complete(m, ticket)
	case !errors.As(err, &never):
		return err
	}
	l.rows[k].completed = true
	r.Machines.Forget(ticket)
	return nil
}

// prepared is what enter made of a decision.
type prepared struct {
	actions []tentacle.Action
	// ended says that a start has ended already, as it can never be made.
	ended bool
	// held is why a start has to wait; the zero value means that none has.
	held obstacle
}

// enter writes the decision into the rows and prepares what starts. An action that can never be prepared ends at once; one
// that cannot be prepared yet has no row for some time, so that the plan asks for it again.
func (r *Reconciler) enter(ctx context.Context, f facts, l *live, d plan.Decision) prepared {
	for _, end := range d.End {
		row := l.touch(end.Key)
		row.Phase, row.Reason, row.Message, row.EndTime = end.Phase, end.Reason, cut(end.Message, maxMessage), f.Now
	}
	var p prepared
	for _, start := range d.Start {
		if p.held.Phase != "" && r.Now().Sub(f.Now) > patience {
			l.noteHeld(start.Key, f.Now)
			continue
		}
		action, err := r.prepare(ctx, f, l, start)
		if err != nil {
			err = l.hold(f, start.Key, err)
		}
		var never *endError
		switch {
		case err == nil:
			delete(l.held, start.Key)
			row := l.touch(start.Key)
			row.Attempt, row.Phase, row.StartTime, row.Host = start.Attempt, v1alpha1.StepRunning, f.Now, action.Machine.Address
			p.actions = append(p.actions, action)
		case errors.As(err, &never):
			row := l.touch(start.Key)
			row.Phase, row.Reason, row.Message, row.EndTime = v1alpha1.StepFailed, never.reason, cut(never.Error(), maxMessage), f.Now
			p.ended = true
			delete(l.held, start.Key)
		default:
			ctrl.LoggerFrom(ctx).Info("cannot begin an action yet", "target", start.Target, "step", start.Step, "why", err.Error())
			p.held = firstHeld(p.held, start, err, heldAtMost(f.Stop))
		}
	}
	return p
}

// prepare composes an action that has never been sent, once its package is there.
func (r *Reconciler) prepare(ctx context.Context, f facts, l *live, start plan.Start) (tentacle.Action, error) {
	if leaf := l.leaves[start.Step]; leaf.Deploy != nil {
		p, err := l.packageOf(f, leaf)
		if err != nil {
			return tentacle.Action{}, err
		}
		if o := r.packageReady(owner(f.Run), p); o.Phase != "" {
			return tentacle.Action{}, o.asError()
		}
	}
	return r.compose(ctx, f, l, start)
}

// send hands out what the slices now say: starts, cancels, and results that are written.
func (r *Reconciler) send(f facts, l *live, d plan.Decision, actions []tentacle.Action) {
	for _, action := range actions {
		l.rows[plan.Key{Target: action.Machine.Name, Step: action.Plan.Step}].sent = true
		r.Machines.Dispatch(action)
	}
	for _, k := range d.Cancel {
		row := l.rows[k]
		row.CancelSent, row.CancelTime = true, f.Now
		r.Machines.Cancel(l.ticket(f.Run, k))
	}
}

// machine is how the target is reached now.
func (r *Reconciler) machine(ctx context.Context, f facts, l *live, name string) (tentacle.Machine, error) {
	t, was := f.Targets[name], l.targets[name]
	if t == nil || t.UID != was.UID {
		return tentacle.Machine{}, &endError{v1alpha1.ReasonTargetDeleted, errGone}
	}
	if t.Spec.Thumbprint != was.Thumbprint {
		return tentacle.Machine{}, &endError{v1alpha1.ReasonTargetChanged, errOther}
	}
	identity, err := r.Identities.For(ctx, f.Run.Namespace)
	if errors.Is(err, identities.ErrLost) {
		return tentacle.Machine{}, &endError{v1alpha1.ReasonIdentityLost, err}
	}
	if err != nil {
		return tentacle.Machine{}, fmt.Errorf("finding the operator's identity: %w", err)
	}
	m, err := machineOf(t, f.policy(t), identity)
	if err != nil {
		return tentacle.Machine{}, &endError{v1alpha1.ReasonInvalidAddress, err}
	}
	return m, nil
}

// host is the address of a target, as far as it is known.
func (l *live) host(f facts, name string) string {
	t := f.Targets[name]
	if t == nil || t.UID != l.targets[name].UID {
		return ""
	}
	address, err := t.Spec.HostPort()
	if err != nil {
		return t.Spec.Address
	}
	return address
}

func owner(run *v1alpha1.DeploymentRun) types.NamespacedName {
	return types.NamespacedName{Namespace: run.Namespace, Name: run.Name}
}
