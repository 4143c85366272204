package binding

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/desired"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
	"github.com/mantledeploy/mantle/controllers/internal/optional"
	"github.com/mantledeploy/mantle/controllers/internal/snapshot"
)

// facts is everything that a decision depends on. A nil pointer means that the object does not exist.
type facts struct {
	Now     time.Time
	Binding *v1alpha1.ReleaseBinding
	// Release is the one that spec.release names.
	Release *v1alpha1.Release
	// Project that spec.project names.
	Project *v1alpha1.Project
	// Environment that spec.environment names.
	Environment *v1alpha1.Environment
	// Process is the release's frozen process; nil until the release is ready.
	Process *v1alpha1.ProjectSpec
	// Overlapping is the name of an older binding that selects one of the targets.
	Overlapping string
	// Desired targets, by name.
	Desired []v1alpha1.DeploymentTarget
	// Mismatch explains why no target is desired, if none is.
	Mismatch mismatch
	// UnknownNames are the names in spec.targets.names that no target of the environment has.
	UnknownNames []string
	// NeverChecked has the names of targets whose policy disables health checks.
	NeverChecked sets.Set[string]
	// Chain of this binding's existing runs.
	Chain desired.Chain
	// Record has the results of the runs for the present desired state, including deleted runs; nil until the release is ready.
	Record *v1alpha1.BindingRecord
	// Expected are the targets whose status.installed will have the newest run, and Skipped those that this run skipped.
	Expected, Skipped sets.Set[types.UID]
	// NameTaken is the name of the next run, if a run of that name exists that is not the binding's.
	NameTaken string
}

// mismatch explains why no target is desired: the number of targets in the environment, how many of them spec.targets
// selects, the roles of the steps, and the roles of the selected targets.
type mismatch struct {
	Members, Selected      int
	StepRoles, TargetRoles []string
}

// hash returns the hash of the desired state.
func (f facts) hash() string {
	return desired.Hash(f.Release.Status.Snapshot, f.Binding.Spec.Targets)
}

// upToDate reports whether a target has the desired release.
func (f facts) upToDate(t *v1alpha1.DeploymentTarget) bool {
	return desired.UpToDate(t, f.Binding.Spec.Project, f.Binding.Spec.Environment, f.Release.Status.Snapshot, f.Process.Steps)
}

// gather reads everything that a decision depends on.
func (r *Reconciler) gather(ctx context.Context, b *v1alpha1.ReleaseBinding, now time.Time) (facts, error) {
	f := facts{Now: now, Binding: b}
	var err error
	if f.Release, err = optional.Get(ctx, r.Client, b.Namespace, v1alpha1.ReleaseName(b.Spec.Project, b.Spec.Release), &v1alpha1.Release{}); err != nil {
		return f, fmt.Errorf("reading release: %w", err)
	}
	if !f.Release.Is(b.Spec.Project, b.Spec.Release) {
		f.Release = nil
	}
	if f.Project, err = optional.Get(ctx, r.Client, b.Namespace, string(b.Spec.Project), &v1alpha1.Project{}); err != nil {
		return f, fmt.Errorf("reading project: %w", err)
	}
	if f.Environment, err = optional.Get(ctx, r.Client, b.Namespace, string(b.Spec.Environment), &v1alpha1.Environment{}); err != nil {
		return f, fmt.Errorf("reading environment: %w", err)
	}
	if f.Chain, err = chain(ctx, r.Client, b); err != nil {
		return f, err
	}
	if f.Release == nil || f.Environment == nil || !snapshot.Ready(f.Release) {
		return f, nil
	}
	r.once.Do(func() { r.frozen = snapshot.NewReader(r.Client) })
	if f.Process, err = r.frozen.Read(ctx, f.Release); err != nil {
		return f, fmt.Errorf("reading the snapshot of release %s: %w", f.Release.Name, err)
	}
	for _, gather := range []func(context.Context, *facts) error{r.gatherTargets, r.gatherOverlapping, r.gatherRecord} {
		if err := gather(ctx, &f); err != nil {
			return f, err
		}
	}
	return f, r.gatherNewest(ctx, r.Client, &f)
}

// chain lists the binding's runs.
func chain(ctx context.Context, from client.Reader, b *v1alpha1.ReleaseBinding) (desired.Chain, error) {
	var runs v1alpha1.DeploymentRunList
	if err := from.List(ctx, &runs, client.InNamespace(b.Namespace), client.MatchingLabels{v1alpha1.LabelBindingUID: string(b.UID)}); err != nil {
		return nil, fmt.Errorf("listing runs: %w", err)
	}
	return desired.ChainOf(b, runs.Items), nil
}

func (r *Reconciler) gatherTargets(ctx context.Context, f *facts) error {
	candidates, err := candidatesFor(ctx, r.Client, f.Binding.Namespace, f.Binding.Spec.Environment, f.Process.Steps)
	if err != nil {
		return err
	}
	var policies v1alpha1.TargetPolicyList
	if err := r.Client.List(ctx, &policies, client.InNamespace(f.Binding.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing policies: %w", err)
	}
	never := sets.New[v1alpha1.ObjectName]()
	for i := range policies.Items {
		if policies.Items[i].HealthInterval() == 0 {
			never.Insert(v1alpha1.ObjectName(policies.Items[i].Name))
		}
	}
	f.Desired = desired.Desired(f.Binding.Spec, f.Process.Steps, candidates)
	if err := r.gatherMismatch(ctx, f); err != nil {
		return err
	}
	f.NeverChecked = sets.New[string]()
	for i := range f.Desired {
		if never.Has(f.Desired[i].Spec.Policy) {
			f.NeverChecked.Insert(f.Desired[i].Name)
		}
	}
	return nil
}

// gatherMismatch sets why no target is desired, if none is, and the names in the spec that no target has.
func (r *Reconciler) gatherMismatch(ctx context.Context, f *facts) error {
	names := f.Binding.Spec.Targets != nil && len(f.Binding.Spec.Targets.Names) > 0
	if len(f.Desired) > 0 && !names {
		return nil
	}
	var targets v1alpha1.DeploymentTargetList
	if err := r.Client.List(ctx, &targets, client.InNamespace(f.Binding.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing targets: %w", err)
	}
	if len(f.Desired) == 0 {
		f.Mismatch = mismatchOf(f.Binding.Spec, f.Process.Steps, targets.Items)
	}
	f.UnknownNames = unknownNames(f.Binding.Spec, targets.Items)
	return nil
}

func mismatchOf(spec v1alpha1.ReleaseBindingSpec, steps []v1alpha1.Step, targets []v1alpha1.DeploymentTarget) mismatch {
	var m mismatch
	ofSteps, ofTargets := sets.New[string](), sets.New[string]()
	for i := range steps {
		if steps[i].GetCondition() != v1alpha1.ConditionFailure { // such a step does not run unless another fails
			insert(ofSteps, steps[i].Roles)
		}
	}
	for i := range targets {
		if !slices.Contains(targets[i].Spec.Environments, spec.Environment) {
			continue
		}
		m.Members++
		if desired.Selects(spec.Targets, &targets[i]) {
			m.Selected++
			insert(ofTargets, targets[i].Spec.Roles)
		}
	}
	m.StepRoles, m.TargetRoles = sets.List(ofSteps), sets.List(ofTargets)
	return m
}

func insert(names sets.Set[string], roles []v1alpha1.Role) {
	for _, role := range roles {
		names.Insert(string(role))
	}
}

// unknownNames returns the names in spec.targets.names that no target of the environment has.
func unknownNames(spec v1alpha1.ReleaseBindingSpec, targets []v1alpha1.DeploymentTarget) []string {
	if spec.Targets == nil {
		return nil
	}
	known := sets.New[string]()
	for i := range targets {
		if slices.Contains(targets[i].Spec.Environments, spec.Environment) {
			known.Insert(targets[i].Name)
		}
	}
	var unknown []string
	for _, name := range spec.Targets.Names {
		if !known.Has(string(name)) {
			unknown = append(unknown, string(name))
		}
	}
	return unknown
}

// gatherOverlapping finds an older binding that selects one of the desired targets for the same project and environment.
func (r *Reconciler) gatherOverlapping(ctx context.Context, f *facts) error {
	var bindings v1alpha1.ReleaseBindingList
	if err := r.Client.List(ctx, &bindings, client.InNamespace(f.Binding.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing bindings: %w", err)
	}
	for i := range bindings.Items {
		other := &bindings.Items[i]
		same := other.Spec.Project == f.Binding.Spec.Project && other.Spec.Environment == f.Binding.Spec.Environment
		if other.UID != f.Binding.UID && same && older(other, f.Binding) && len(desired.Desired(other.Spec, f.Process.Steps, f.Desired)) > 0 {
			f.Overlapping = other.Name
			return nil
		}
	}
	return nil
}

func older(a, b *v1alpha1.ReleaseBinding) bool {
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return a.Name < b.Name
}

// gatherRecord adds the runs that have ended since the last pass to the binding's record. Their slices are read from the API
// server, once for each run.
func (r *Reconciler) gatherRecord(ctx context.Context, f *facts) error {
	f.resume()
	for _, run := range desired.Unrecorded(f.Record, f.Chain) {
		var refused []v1alpha1.RefusedTarget
		if desired.SomeFailed(f.Record, &run) {
			rows, err := ledger.Slices(ctx, r.Reader, &run)
			if err != nil {
				return err
			}
			refused = desired.Refused(&run, rows, f.Desired)
		}
		desired.Add(f.Record, &run, refused)
	}
	desired.Forget(f.Record, f.Binding.Spec.Project, f.Binding.Spec.Environment, f.Desired, f.upToDate)
	return nil
}

// resume sets Record from the status. A new value of the retry annotation requests another try of what failed. If nothing
// failed, it requests that the release is deployed to all targets again, until that has succeeded.
func (f *facts) resume() {
	was := f.Binding.Status.Record
	f.Record = desired.Resume(was, f.Chain, f.hash(), desired.Retry(f.Binding, f.Chain))
	if was != nil && was.Hash == f.Record.Hash && was.Retry != f.Record.Retry {
		f.Record.Redeploy = was.Redeploy || f.deployed(was)
	}
}

// deployed reports whether, according to the record, the release was deployed and nothing failed.
func (f *facts) deployed(record *v1alpha1.BindingRecord) bool {
	before := *f
	before.Record = record
	s := surveyOf(before)
	failed := len(s.excluded) > 0 || record.Hold != nil && (record.Hold.Reason != v1alpha1.ReasonTargetsFailed || len(s.outdated) > 0)
	return !failed && (record.Deployed || s.counts.UpToDate > 0 && len(s.outdated) == 0 && f.Chain.Unfinished() == nil)
}
