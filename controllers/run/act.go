package run

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/plan"
	"github.com/mantledeploy/mantle/controllers/internal/tentacle"
)

// packagesNeeded keeps a run from sending what the cache has lost.
func (r *Reconciler) packagesNeeded(f facts, l *live) obstacle {
	for _, leaf := range l.leaves {
		if leaf.Deploy != nil && f.Release != nil {
			return r.packagesReady(f)
		}
	}
	return obstacle{}
}

// resume hands rows that are written as Running, by an earlier process or by a pass that ended early, to the sessions,
// which ask the machines before they start anything. It tells the machines, also again, of results that are written.
func (r *Reconciler) resume(ctx context.Context, f facts, l *live) {
	for k, row := range l.rows {
		switch {
		case !row.stored:
		case row.Phase == v1alpha1.StepRunning && !row.sent:
			action, err := r.compose(ctx, f, l, k)
			if err != nil {
				// The values may come back; until then the plan's deadline bounds the wait.
				ctrl.LoggerFrom(ctx).Info("cannot take up an action yet", "target", k.Target, "step", k.Step, "why", err.Error())
				continue
			}
			action.Resume, row.sent = true, true
			r.Machines.Dispatch(action)
		case row.Phase.IsTerminal() && row.Attempt > 0 && !row.completed:
			r.complete(ctx, f, l, k)
		}
	}
}

// complete tells the machine that the result is written, once for this process. It is not told of one that may yet be
// lost: it would answer a next leader with nothing but the exit code.
func (r *Reconciler) complete(ctx context.Context, f facts, l *live, k plan.Key) {
	row := l.rows[k]
	row.completed = true
	if m, err := r.machine(ctx, f, l, k.Target); err == nil {
		r.Machines.Complete(m, l.ticket(f.Run, k))
	}
	r.Machines.Forget(l.ticket(f.Run, k))
}

// enter writes the decision into the rows and prepares what starts. An action that cannot be prepared ends at once.
func (r *Reconciler) enter(ctx context.Context, f facts, l *live, d plan.Decision) []tentacle.Action {
	for _, end := range d.End {
		row := l.touch(end.Key)
		row.Phase, row.Reason, row.Message, row.EndTime = end.Phase, end.Reason, cut(end.Message, maxMessage), f.Now
	}
	var actions []tentacle.Action
	for _, start := range d.Start {
		row := l.touch(start.Key)
		row.Attempt, row.final = start.Attempt, start.Final
		action, err := r.compose(ctx, f, l, start.Key)
		if err != nil {
			row.Attempt = 0
			row.Phase, row.Reason, row.Message, row.EndTime = v1alpha1.StepFailed, v1alpha1.ReasonVariableMissing, cut(err.Error(), maxMessage), f.Now
			continue
		}
		row.Phase, row.StartTime = v1alpha1.StepRunning, f.Now
		actions = append(actions, action)
	}
	return actions
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
	t := f.Targets[name]
	if t == nil || t.UID != l.targets[name].UID {
		return tentacle.Machine{}, errGone
	}
	identity, err := r.Identities.For(ctx, f.Run.Namespace)
	if err != nil {
		return tentacle.Machine{}, err
	}
	return machineOf(t, f.policy(t), identity)
}

func owner(run *v1alpha1.DeploymentRun) types.NamespacedName {
	return types.NamespacedName{Namespace: run.Namespace, Name: run.Name}
}
