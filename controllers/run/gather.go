package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/desired"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
	"github.com/mantledeploy/mantle/controllers/internal/optional"
	"github.com/mantledeploy/mantle/controllers/internal/plan"
	"github.com/mantledeploy/mantle/controllers/internal/snapshot"
)

// facts is what a pass reads before it decides. A nil pointer means that the object does not exist.
type facts struct {
	Now     time.Time
	Run     *v1alpha1.DeploymentRun
	Release *v1alpha1.Release
	// Environment of the run.
	Environment *v1alpha1.Environment
	// Binding that created the run; nil if it was deleted, or if a user created the run.
	Binding *v1alpha1.ReleaseBinding
	// Active is the state of a run whose targets are fixed; nil if they are not, or if the run cannot continue.
	Active *active
	// Problem is why a run whose targets are fixed cannot continue.
	Problem string
	// Targets by name: those of the fixed set; empty before it is fixed. They are shared with the cache and must not be
	// modified.
	Targets  map[string]*v1alpha1.DeploymentTarget
	Policies map[v1alpha1.ObjectName]*v1alpha1.TargetPolicy
	// Stop is set if the run has to end early.
	Stop plan.Stop
}

// targets returns all targets of the run's namespace. They are shared with the cache and must not be modified.
func (r *Reconciler) targets(ctx context.Context, run *v1alpha1.DeploymentRun) ([]v1alpha1.DeploymentTarget, error) {
	var targets v1alpha1.DeploymentTargetList
	if err := r.Client.List(ctx, &targets, client.InNamespace(run.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing targets: %w", err)
	}
	return targets.Items, nil
}

func resolved(run *v1alpha1.DeploymentRun) bool {
	return meta.IsStatusConditionTrue(run.Status.Conditions, v1alpha1.ConditionTargetsResolved)
}

func (r *Reconciler) gather(ctx context.Context, run *v1alpha1.DeploymentRun) (facts, error) {
	f := facts{Now: r.Now(), Run: run, Targets: map[string]*v1alpha1.DeploymentTarget{}, Policies: map[v1alpha1.ObjectName]*v1alpha1.TargetPolicy{}}
	var err error
	name := v1alpha1.ReleaseName(run.Spec.Project, run.Spec.Release)
	if f.Release, err = optional.Get(ctx, r.Client, run.Namespace, name, &v1alpha1.Release{}); err != nil {
		return f, fmt.Errorf("reading release: %w", err)
	}
	if !f.Release.Is(run.Spec.Project, run.Spec.Release) {
		f.Release = nil
	}
	if f.Environment, err = optional.Get(ctx, r.Client, run.Namespace, string(run.Spec.Environment), &v1alpha1.Environment{}); err != nil {
		return f, fmt.Errorf("reading environment: %w", err)
	}
	if owner := metav1.GetControllerOf(run); owner != nil {
		if f.Binding, err = optional.Get(ctx, r.Client, run.Namespace, owner.Name, &v1alpha1.ReleaseBinding{}); err != nil {
			return f, fmt.Errorf("reading binding: %w", err)
		}
		if f.Binding != nil && f.Binding.UID != owner.UID {
			f.Binding = nil
		}
	}
	if f.Stop, err = r.stopRequested(ctx, f); err != nil {
		return f, err
	}
	if resolved(run) {
		if err := r.gatherActive(ctx, &f); err != nil {
			return f, err
		}
	}
	return f, r.gatherTargets(ctx, &f)
}

// gatherActive sets f.Active. If this process neither has the run in memory nor has just created its slices, gatherActive
// loads it from the API server, as another leader may have written it.
func (r *Reconciler) gatherActive(ctx context.Context, f *facts) error {
	if f.Active = r.memory.get(f.Run); f.Active != nil {
		f.Active.inputs.Learn(f.Release)
		return nil
	}
	if made := r.memory.takeCreated(f.Run); made != nil {
		r.activate(f, ledger.New(f.Run, made.process, made.slices))
		return nil
	}
	process, err := r.frozenUncached.ReadNamed(ctx, f.Run.Namespace, f.Run.Status.Snapshot)
	switch {
	case errors.Is(err, snapshot.ErrUnreadable):
		f.Problem = err.Error() + ", or cancel the run"
		return nil
	case client.IgnoreNotFound(err) != nil:
		return err
	case err != nil:
		f.Problem = fmt.Sprintf("the process of the release is missing; restore ControllerRevision %s, or cancel the run", f.Run.Status.Snapshot)
		return nil //nolint:nilerr // the problem is reported in the status
	}
	book, err := ledger.Load(ctx, r.Reader, f.Run, process)
	if err != nil {
		return err
	}
	deleted := !f.Run.DeletionTimestamp.IsZero() // if the namespace is deleted, slices may be deleted before the run
	if len(book.Missing) > 0 && (!deleted || len(book.Targets) == 0) {
		f.Problem = fmt.Sprintf("DeploymentRunSlice %s is missing, so the results of its targets are unknown; restore it, or cancel the run", book.Missing[0])
		return nil
	}
	book.Resume(f.Now)
	r.markMissingLogs(book)
	r.activate(f, book)
	return nil
}

// activate keeps a ledger in memory.
func (r *Reconciler) activate(f *facts, book *ledger.Ledger) {
	book.Written = r.Metrics.SliceWritten
	f.Active = &active{ledger: book, inputs: r.composer.For(f.Run, book)}
	f.Active.inputs.Learn(f.Release)
	r.memory.store(f.Run, f.Active)
}

// markMissingLogs marks the output that is not on this replica's disk as lost.
func (r *Reconciler) markMissingLogs(l *ledger.Ledger) {
	l.All(func(k ledger.Key, a *ledger.Attempt) {
		if a.Log == nil || a.Log.Size == 0 || a.Log.Reason != "" {
			return
		}
		if !r.Logs.Kept(l.Namespace, l.UID, l.Targets[k.Target].Name, l.Leaves[k.Leaf].Path, a.Number) {
			l.SetLogLost(k)
		}
	})
}

func (r *Reconciler) gatherTargets(ctx context.Context, f *facts) error {
	var policies v1alpha1.TargetPolicyList
	if err := r.Client.List(ctx, &policies, client.InNamespace(f.Run.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing policies: %w", err)
	}
	for i := range policies.Items {
		f.Policies[v1alpha1.ObjectName(policies.Items[i].Name)] = &policies.Items[i]
	}
	if f.Active == nil {
		return nil
	}
	for _, was := range f.Active.ledger.Targets {
		t, err := optional.Get(ctx, r.Client, f.Run.Namespace, was.Name, &v1alpha1.DeploymentTarget{}, client.UnsafeDisableDeepCopy)
		if err != nil {
			return fmt.Errorf("reading target %s: %w", was.Name, err)
		}
		if t != nil && t.UID == was.UID {
			f.Targets[was.Name] = t
		}
	}
	return nil
}

// stopRequested returns whether the run has to end early: it is cancelled or deleted, or its binding requests something else.
func (r *Reconciler) stopRequested(ctx context.Context, f facts) (plan.Stop, error) {
	if f.Run.Spec.State == v1alpha1.RunStateCancel || !f.Run.DeletionTimestamp.IsZero() {
		return plan.Cancel, nil
	}
	if f.Binding == nil {
		return "", nil
	}
	name := v1alpha1.ReleaseName(f.Binding.Spec.Project, f.Binding.Spec.Release)
	wanted, err := optional.Get(ctx, r.Client, f.Run.Namespace, name, &v1alpha1.Release{})
	if err != nil {
		return "", fmt.Errorf("reading release: %w", err)
	}
	if !wanted.Is(f.Binding.Spec.Project, f.Binding.Spec.Release) || !snapshot.Ready(wanted) {
		return "", nil // a release that is not ready does not supersede a run
	}
	if desired.Hash(wanted.Status.Snapshot, f.Binding.Spec.Targets) != f.Run.Annotations[v1alpha1.AnnotationDesiredHash] {
		return plan.Supersede, nil
	}
	return "", nil
}
