package run

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/compose"
	"github.com/mantledeploy/mantle/controllers/internal/dispatch"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
	"github.com/mantledeploy/mantle/controllers/internal/plan"
	"github.com/mantledeploy/mantle/controllers/internal/session"
	"github.com/mantledeploy/mantle/controllers/internal/text"
)

// action returns what the dispatcher is to do for an attempt. The closures refer to the inputs of the run and not to facts,
// so that an action does not keep what the pass has read in memory.
func (r *Reconciler) action(f facts, k ledger.Key, now plan.Evaluation) dispatch.Action {
	l, inputs := f.Active.ledger, f.Active.inputs
	completes := now.Completes(k)
	leaf, target, ticket, number := l.Leaves[k.Leaf], l.Targets[k.Target], l.Ticket(k), l.At(k).Number
	return dispatch.Action{
		Ticket: ticket, Owner: dispatch.Owner{NamespacedName: nameOf(f.Run), UID: l.UID}, Target: target.Name, Step: leaf.Path, Later: k.Leaf > 0,
		Resume: l.At(k).Resumed(), Away: l.At(k).Away(), Timeout: leaf.GetTimeout(), Log: r.Logs.Sink(l.Namespace, l.UID, target.Name, leaf.Path, number),
		Locate: func(ctx context.Context) (session.Machine, error) { return inputs.Locate(ctx, target) },
		Prepare: func(ctx context.Context) (dispatch.Prepared, error) {
			return inputs.Prepare(ctx, compose.Action{Ticket: ticket, Leaf: leaf, Target: target, Final: completes})
		},
	}
}

// final reports whether err will stay if the call is repeated.
func final(err error) bool {
	var not *dispatch.NotReady
	return errors.As(err, &not) && not.Final
}

// apply updates the ledger with a report of the dispatcher.
func (r *Reconciler) apply(f facts, report dispatch.Report) error {
	l := f.Active.ledger
	k, known := l.Find(report.Ticket)
	if !known || !l.At(k).Running() {
		return nil
	}
	target := l.Targets[k.Target]
	if report.Reachable {
		r.Dispatcher.Drop(report.Ticket)
		l.Withdraw(k)
		return nil
	}
	if !report.Ended() {
		l.Update(k, running(f.Now, report))
		return nil
	}
	if report.Unreached {
		settings, tried := l.Process.Settings, f.target(target).RetryDuration
		if report.Once {
			tried = 0
		}
		report.Phase, report.Reason, report.Message = plan.Unsent(settings, l.Sent(k), tried, report.Reason, report.Message)
	}
	if report.Phase == v1alpha1.StepLost || report.Phase == v1alpha1.StepAbandoned {
		report.Message += ": " + plan.Where(target.Name, cmp.Or(report.Host, l.At(k).Host), report.Pids)
	}
	if report.Phase == v1alpha1.StepSucceeded {
		l.AddOutputs(k, outputs(l.Leaves[k.Leaf], report.Outputs))
	}
	return l.End(k, f.Now, finished(report))
}

// running returns the change of an attempt for the report of an action that has not ended.
func running(now time.Time, report dispatch.Report) func(*ledger.Attempt) {
	return func(a *ledger.Attempt) {
		if report.Sent && a.SentTime.IsZero() {
			a.SentTime = now
		}
		a.Sent, a.Begun, a.Reason, a.Message = report.Sent, report.Begun, report.Reason, cut(report.Message)
		if report.Host != "" {
			a.Host = report.Host
		}
	}
}

// finished returns the change of an attempt for the report of an action that has ended.
func finished(report dispatch.Report) func(*ledger.Attempt) {
	return func(a *ledger.Attempt) {
		ended(report.Phase, report.Reason, report.Message)(a)
		a.Sent, a.Begun, a.ExitCode, a.Pids = report.Sent, report.Begun, report.ExitCode, report.Pids
		a.Seconds = strconv.FormatFloat(report.Seconds, 'f', 1, 64)
		a.Log = &v1alpha1.ActionLog{Size: report.LogSize}
		if report.Host != "" {
			a.Host = report.Host
		}
		if !report.Finished.IsZero() {
			a.EndTime = report.Finished
		}
	}
}

// ended returns the change that sets the final phase of an attempt, with the reason and message unless it succeeded.
func ended(phase v1alpha1.StepPhase, reason, message string) func(*ledger.Attempt) {
	return func(a *ledger.Attempt) {
		if a.Phase, a.Reason, a.Message = phase, reason, cut(message); phase == v1alpha1.StepSucceeded {
			a.Reason, a.Message = "", ""
		}
	}
}

// maxMessage limits the message of an action, in bytes.
const maxMessage = 1024

// cut shortens a message to its end, where the error usually is.
func cut(message string) string { return text.CutStart(text.Clean(message), maxMessage) }

// outputs returns the outputs that a step declares, named `<step>.<name>`. A step that deploys a package has all of them.
func outputs(leaf v1alpha1.Leaf, given map[string]string) map[string]string {
	kept := map[string]string{}
	for _, name := range leaf.Outputs {
		if value, found := given[string(name)]; found {
			kept[string(leaf.Name)+"."+string(name)] = value
		}
	}
	if leaf.Deploy != nil {
		for name, value := range given {
			kept[string(leaf.Name)+"."+name] = value
		}
	}
	return kept
}
