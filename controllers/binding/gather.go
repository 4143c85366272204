package binding

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/snapshot"
	"github.com/mantledeploy/mantle/controllers/internal/wish"
)

// gather reads everything that a decision goes by.
func (r *Reconciler) gather(ctx context.Context, b *v1alpha1.ReleaseBinding, now time.Time) (facts, error) {
	f := facts{Now: now, Binding: b, AbsentSince: absentSince(b)}
	var err error
	if f.Release, err = get(ctx, r.Client, b.Namespace, releaseName(b.Spec), &v1alpha1.Release{}); err != nil {
		return f, fmt.Errorf("reading release: %w", err)
	}
	if f.Environment, err = get(ctx, r.Client, b.Namespace, string(b.Spec.Environment), &v1alpha1.Environment{}); err != nil {
		return f, fmt.Errorf("reading environment: %w", err)
	}
	if f.Chain, err = r.chain(ctx, b); err != nil {
		return f, err
	}
	if err := r.gatherProcess(ctx, &f); err != nil || f.Process == nil {
		return f, err
	}
	if err := r.gatherTargets(ctx, &f); err != nil {
		return f, err
	}
	if f.Overlapping, err = r.overlapping(ctx, f); err != nil {
		return f, err
	}
	if err := r.gatherRefused(ctx, &f); err != nil {
		return f, err
	}
	return f, r.gatherNewest(ctx, r.Client, &f)
}

// get returns nil where the object is not there.
func get[T client.Object](ctx context.Context, c client.Reader, namespace, name string, into T) (T, error) {
	err := c.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, into)
	if apierrors.IsNotFound(err) {
		var none T
		return none, nil
	}
	return into, err
}

func releaseName(spec v1alpha1.ReleaseBindingSpec) string {
	return string(spec.Project) + "-" + string(spec.Release)
}

// chain lists the binding's runs past the cache: a run that was just made must not be made again.
func (r *Reconciler) chain(ctx context.Context, b *v1alpha1.ReleaseBinding) (wish.Chain, error) {
	var runs v1alpha1.DeploymentRunList
	if err := r.Reader.List(ctx, &runs, client.InNamespace(b.Namespace), client.MatchingLabels{v1alpha1.LabelBindingUID: string(b.UID)}); err != nil {
		return nil, fmt.Errorf("listing runs: %w", err)
	}
	return wish.NewChain(runs.Items), nil
}

func (r *Reconciler) gatherProcess(ctx context.Context, f *facts) error {
	if f.Release == nil || f.Environment == nil || !snapshot.Ready(f.Release) {
		return nil
	}
	process, err := snapshot.Read(ctx, r.Client, f.Release)
	if err != nil {
		return fmt.Errorf("reading the snapshot of release %s: %w", f.Release.Name, err)
	}
	f.Process = process
	return nil
}

func (r *Reconciler) gatherTargets(ctx context.Context, f *facts) error {
	var targets v1alpha1.DeploymentTargetList
	if err := r.Client.List(ctx, &targets, client.InNamespace(f.Binding.Namespace)); err != nil {
		return fmt.Errorf("listing targets: %w", err)
	}
	var policies v1alpha1.TargetPolicyList
	if err := r.Client.List(ctx, &policies, client.InNamespace(f.Binding.Namespace)); err != nil {
		return fmt.Errorf("listing policies: %w", err)
	}
	never := map[v1alpha1.ObjectName]bool{}
	for i := range policies.Items {
		never[v1alpha1.ObjectName(policies.Items[i].Name)] = policies.Items[i].HealthInterval() == 0
	}
	f.Desired = wish.Desired(f.Binding.Spec, f.Process.Steps, targets.Items)
	f.Strangers = strangers(f.Binding.Spec, targets.Items)
	f.NeverChecked = map[string]bool{}
	for _, t := range f.Desired {
		f.NeverChecked[t.Name] = never[t.Spec.Policy]
	}
	return nil
}

// strangers are the names in spec.targets.names that no target of the environment has.
func strangers(spec v1alpha1.ReleaseBindingSpec, targets []v1alpha1.DeploymentTarget) []string {
	if spec.Targets == nil {
		return nil
	}
	var unknown []string
	for _, name := range spec.Targets.Names {
		if !slices.ContainsFunc(targets, func(t v1alpha1.DeploymentTarget) bool {
			return t.Name == string(name) && slices.Contains(t.Spec.Environments, spec.Environment)
		}) {
			unknown = append(unknown, string(name))
		}
	}
	return unknown
}

// overlapping finds an older binding that selects one of the desired targets for the same project and environment.
func (r *Reconciler) overlapping(ctx context.Context, f facts) (string, error) {
	var bindings v1alpha1.ReleaseBindingList
	if err := r.Client.List(ctx, &bindings, client.InNamespace(f.Binding.Namespace)); err != nil {
		return "", fmt.Errorf("listing bindings: %w", err)
	}
	for i := range bindings.Items {
		other := &bindings.Items[i]
		same := other.Spec.Project == f.Binding.Spec.Project && other.Spec.Environment == f.Binding.Spec.Environment
		if other.UID == f.Binding.UID || !same || !older(other, f.Binding) {
			continue
		}
		if len(wish.Desired(other.Spec, f.Process.Steps, f.Desired)) > 0 {
			return other.Name, nil
		}
	}
	return "", nil
}

func older(a, b *v1alpha1.ReleaseBinding) bool {
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return a.Name < b.Name
}

// gatherRefused reads from the slices of the failed Convergences which targets they could not begin on.
func (r *Reconciler) gatherRefused(ctx context.Context, f *facts) error {
	f.Refused = map[types.UID]bool{}
	for uid := range f.failures() {
		rows, err := r.rowsOf(ctx, r.Client, uid, f.Binding.Namespace)
		if err != nil {
			return err
		}
		maps.Copy(f.Refused, wish.Refused(rows, f.Desired))
	}
	return nil
}

// failures are the failed Convergences that leave their targets out.
func (f facts) failures() map[types.UID]bool {
	return f.Chain.Since(wish.Hash(f.Release.Status.Snapshot, f.Binding.Spec.Targets)).ConvergenceFailures(f.retry())
}

// gatherNewest reads from the newest run's slices which targets began in it and which it left out.
func (r *Reconciler) gatherNewest(ctx context.Context, from client.Reader, f *facts) error {
	newest := f.Chain.Newest()
	if newest == nil || !newest.Status.Phase.IsTerminal() {
		return nil
	}
	rows, err := r.rowsOf(ctx, from, newest.UID, newest.Namespace)
	if err != nil {
		return err
	}
	f.Begun, f.Skipped = wish.Began(rows, f.Desired), map[types.UID]bool{}
	for uid, began := range f.Begun {
		f.Skipped[uid] = !began
	}
	if f.failures()[newest.UID] {
		maps.Copy(f.Refused, wish.Refused(rows, f.Desired))
	}
	return nil
}

func (r *Reconciler) rowsOf(ctx context.Context, from client.Reader, run types.UID, namespace string) ([]v1alpha1.DeploymentRunSlice, error) {
	var rows v1alpha1.DeploymentRunSliceList
	if err := from.List(ctx, &rows, client.InNamespace(namespace), client.MatchingLabels{v1alpha1.LabelRunUID: string(run)}); err != nil {
		return nil, fmt.Errorf("listing the slices of a run: %w", err)
	}
	return rows.Items, nil
}

// absentSince is when the binding's Ready condition turned to the missing of an object.
func absentSince(b *v1alpha1.ReleaseBinding) time.Time {
	for _, c := range b.Status.Conditions {
		if c.Type != v1alpha1.ConditionReady || c.ObservedGeneration != b.Generation {
			continue
		}
		if c.Reason == v1alpha1.ReasonReleaseNotFound || c.Reason == v1alpha1.ReasonEnvironmentNotFound {
			return newest(c.LastTransitionTime, b.CreationTimestamp)
		}
	}
	return time.Time{}
}

func newest(a, b metav1.Time) time.Time {
	if a.Before(&b) {
		return b.Time
	}
	return a.Time
}
