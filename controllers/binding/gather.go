package binding

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/desired"
	"github.com/mantledeploy/mantle/controllers/internal/ledger"
	"github.com/mantledeploy/mantle/controllers/internal/optional"
	"github.com/mantledeploy/mantle/controllers/internal/snapshot"
)

// facts is all that a decision depends on. A nil pointer means that the object is not there.
type facts struct {
	Now     time.Time
	Binding *v1alpha1.ReleaseBinding
	// Release is the one that spec.release names.
	Release *v1alpha1.Release
	// Project that spec.project names; nil where it is not there.
	Project *v1alpha1.Project
	// Environment that spec.environment names.
	Environment *v1alpha1.Environment
	// Process is what the release froze; nil until the release is ready.
	Process *v1alpha1.ProjectSpec
	// Overlapping is the name of an older binding that selects one of the targets.
	Overlapping string
	// Desired targets, by name.
	Desired []v1alpha1.DeploymentTarget
	// Seen is how many targets the namespace has.
	Seen int
	// Missed tells why no target is desired, where none is.
	Missed missed
	// Strangers are the names in spec.targets.names that no target of the environment has.
	Strangers []string
	// NeverChecked holds the names of targets whose policy never looks at them.
	NeverChecked sets.Set[string]
	// Chain of this binding's runs that are there.
	Chain desired.Chain
	// Record is how the runs of what is desired now ended, deleted ones included; nil until the release is ready.
	Record *v1alpha1.BindingRecord
	// Expected are the targets whose status will speak of the newest run, and Passed those that it left out.
	Expected, Passed sets.Set[types.UID]
	// NameTaken is the name of the next run, where a run has it that is not the binding's.
	NameTaken string
}

// missed are the targets of the environment of which none is desired: how many there are, how many spec.targets leaves in,
// the roles that the steps are for, and those that the targets have that are left in.
type missed struct {
	Members, LeftIn int
	Wanted, There   []string
}

// hash is the digest of what is desired.
func (f facts) hash() string {
	return desired.Hash(f.Release.Status.Snapshot, f.Binding.Spec.Targets)
}

// upToDate tells whether a target has the desired release.
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
	var targets v1alpha1.DeploymentTargetList
	if err := r.Client.List(ctx, &targets, client.InNamespace(f.Binding.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing targets: %w", err)
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
	f.Desired = desired.Desired(f.Binding.Spec, f.Process.Steps, targets.Items)
	f.Seen = len(targets.Items)
	if len(f.Desired) == 0 {
		f.Missed = missedIn(f.Binding.Spec, f.Process.Steps, targets.Items)
	}
	f.Strangers = strangers(f.Binding.Spec, targets.Items)
	f.NeverChecked = sets.New[string]()
	for i := range f.Desired {
		if never.Has(f.Desired[i].Spec.Policy) {
			f.NeverChecked.Insert(f.Desired[i].Name)
		}
	}
	return nil
}

func missedIn(spec v1alpha1.ReleaseBindingSpec, steps []v1alpha1.Step, targets []v1alpha1.DeploymentTarget) missed {
	var m missed
	wanted, there := sets.New[string](), sets.New[string]()
	for i := range steps {
		if steps[i].GetCondition() != v1alpha1.ConditionFailure { // which brings nothing in a run that goes well
			insert(wanted, steps[i].Roles)
		}
	}
	for i := range targets {
		if !slices.Contains(targets[i].Spec.Environments, spec.Environment) {
			continue
		}
		m.Members++
		if desired.Selects(spec.Targets, &targets[i]) {
			m.LeftIn++
			insert(there, targets[i].Spec.Roles)
		}
	}
	m.Wanted, m.There = sets.List(wanted), sets.List(there)
	return m
}

func insert(names sets.Set[string], roles []v1alpha1.Role) {
	for _, role := range roles {
		names.Insert(string(role))
	}
}

// strangers are the names in spec.targets.names that no target of the environment has.
func strangers(spec v1alpha1.ReleaseBindingSpec, targets []v1alpha1.DeploymentTarget) []string {
	if spec.Targets == nil {
		return nil
	}
	there := sets.New[string]()
	for i := range targets {
		if slices.Contains(targets[i].Spec.Environments, spec.Environment) {
			there.Insert(targets[i].Name)
		}
	}
	var unknown []string
	for _, name := range spec.Targets.Names {
		if !there.Has(string(name)) {
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

// gatherRecord takes the runs that have ended since into the binding's record. Each is read past the cache, once.
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

// resume takes up the record. A retry token that was not there before asks for what failed to be tried again; where nothing
// has failed, it asks for the release to be deployed again to all targets. So it does while that has not succeeded.
func (f *facts) resume() {
	was := f.Binding.Status.Record
	f.Record = desired.Resume(was, f.Chain, f.hash(), desired.Retry(f.Binding, f.Chain))
	if was != nil && was.Hash == f.Record.Hash && was.Retry != f.Record.Retry {
		f.Record.Redeploy = was.Redeploy || f.deployed(was)
	}
}

// deployed tells whether the release was deployed, and nothing failed, by what the record says.
func (f *facts) deployed(record *v1alpha1.BindingRecord) bool {
	before := *f
	before.Record = record
	s := look(before)
	failed := len(s.leftOut) > 0 || record.Hold != nil && (record.Hold.Reason != v1alpha1.ReasonTargetsFailed || len(s.outdated) > 0)
	return !failed && (record.Deployed || s.counts.UpToDate > 0 && len(s.outdated) == 0 && f.Chain.Unfinished() == nil)
}

// gatherNewest reads from the newest run's slices whose status will speak of it, and whom it left out.
func (r *Reconciler) gatherNewest(ctx context.Context, from client.Reader, f *facts) error {
	newest := f.Chain.Newest()
	if newest == nil || !newest.Status.Phase.IsTerminal() {
		return nil
	}
	rows, err := ledger.Slices(ctx, from, newest)
	if err != nil {
		return err
	}
	f.Expected, f.Passed = desired.Expected(newest, rows, f.Desired)
	return nil
}

// lookAgain reads past the cache what a new run depends on, and tells whether the binding is still as it was judged.
func (r *Reconciler) lookAgain(ctx context.Context, f *facts, name string) (bool, error) {
	// A run that was just made, or has just ended, may not be in the cache yet, which must not make another.
	var err error
	if f.Chain, err = chain(ctx, r.Reader, f.Binding); err != nil {
		return false, err
	}
	if err := r.gatherRecord(ctx, f); err != nil {
		return false, err
	}
	if err := r.gatherNewest(ctx, r.Reader, f); err != nil {
		return false, err
	}
	run, err := optional.Get(ctx, r.Reader, f.Binding.Namespace, name, &v1alpha1.DeploymentRun{})
	if err != nil {
		return false, fmt.Errorf("reading run %s: %w", name, err)
	}
	if run != nil && metav1.IsControlledBy(run, f.Binding) {
		return false, nil // it was made meanwhile
	}
	if run != nil {
		f.NameTaken = name
	}
	b, err := optional.Get(ctx, r.Reader, f.Binding.Namespace, f.Binding.Name, &v1alpha1.ReleaseBinding{})
	if err != nil {
		return false, fmt.Errorf("reading binding: %w", err)
	}
	return b != nil && b.UID == f.Binding.UID && b.ResourceVersion == f.Binding.ResourceVersion, nil
}
