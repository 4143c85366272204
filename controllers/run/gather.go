package run

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/plan"
	"github.com/mantledeploy/mantle/controllers/internal/snapshot"
	"github.com/mantledeploy/mantle/controllers/internal/wish"
)

// facts is what a pass reads before it decides. A nil pointer means that the object is not there.
type facts struct {
	Now     time.Time
	Run     *v1alpha1.DeploymentRun
	Release *v1alpha1.Release
	// Environment that the run is for.
	Environment *v1alpha1.Environment
	// Binding that made the run; nil for a person's run, or when it was deleted.
	Binding *v1alpha1.ReleaseBinding
	// Targets of the namespace by name, and their policies.
	Targets  map[string]*v1alpha1.DeploymentTarget
	Policies map[v1alpha1.ObjectName]*v1alpha1.TargetPolicy
	// Stop is the wish to end early.
	Stop plan.Stop
}

func (f facts) policy(t *v1alpha1.DeploymentTarget) *v1alpha1.TargetPolicy {
	return f.Policies[t.Spec.Policy]
}

// all are the targets of the namespace.
func (f facts) all() []v1alpha1.DeploymentTarget {
	all := make([]v1alpha1.DeploymentTarget, 0, len(f.Targets))
	for _, t := range f.Targets {
		all = append(all, *t)
	}
	return all
}

func resolved(run *v1alpha1.DeploymentRun) bool {
	return meta.IsStatusConditionTrue(run.Status.Conditions, v1alpha1.ConditionTargetsResolved)
}

func (r *Reconciler) gather(ctx context.Context, run *v1alpha1.DeploymentRun) (facts, error) {
	f := facts{Now: r.Now(), Run: run, Targets: map[string]*v1alpha1.DeploymentTarget{}, Policies: map[v1alpha1.ObjectName]*v1alpha1.TargetPolicy{}}
	var err error
	if f.Release, err = get(ctx, r.Client, run.Namespace, releaseName(run.Spec), &v1alpha1.Release{}); err != nil {
		return f, fmt.Errorf("reading release: %w", err)
	}
	if f.Environment, err = get(ctx, r.Client, run.Namespace, string(run.Spec.Environment), &v1alpha1.Environment{}); err != nil {
		return f, fmt.Errorf("reading environment: %w", err)
	}
	if owner := metav1.GetControllerOf(run); owner != nil {
		if f.Binding, err = get(ctx, r.Client, run.Namespace, owner.Name, &v1alpha1.ReleaseBinding{}); err != nil {
			return f, fmt.Errorf("reading binding: %w", err)
		}
		if f.Binding != nil && f.Binding.UID != owner.UID {
			f.Binding = nil
		}
	}
	if err := r.gatherTargets(ctx, &f); err != nil {
		return f, err
	}
	f.Stop, err = r.stop(ctx, f)
	return f, err
}

func (r *Reconciler) gatherTargets(ctx context.Context, f *facts) error {
	var targets v1alpha1.DeploymentTargetList
	if err := r.Client.List(ctx, &targets, client.InNamespace(f.Run.Namespace)); err != nil {
		return fmt.Errorf("listing targets: %w", err)
	}
	for i := range targets.Items {
		f.Targets[targets.Items[i].Name] = &targets.Items[i]
	}
	var policies v1alpha1.TargetPolicyList
	if err := r.Client.List(ctx, &policies, client.InNamespace(f.Run.Namespace)); err != nil {
		return fmt.Errorf("listing policies: %w", err)
	}
	for i := range policies.Items {
		f.Policies[v1alpha1.ObjectName(policies.Items[i].Name)] = &policies.Items[i]
	}
	return nil
}

// stop reads what the run's owner and a person want now.
func (r *Reconciler) stop(ctx context.Context, f facts) (plan.Stop, error) {
	if f.Run.Spec.State == v1alpha1.RunStateCancel || !f.Run.DeletionTimestamp.IsZero() {
		return plan.Cancel, nil
	}
	if f.Binding == nil {
		return "", nil
	}
	name := string(f.Binding.Spec.Project) + "-" + string(f.Binding.Spec.Release)
	wished, err := get(ctx, r.Client, f.Run.Namespace, name, &v1alpha1.Release{})
	if err != nil {
		return "", fmt.Errorf("reading release: %w", err)
	}
	if wished == nil || !snapshot.Ready(wished) {
		return "", nil // a wish that does not resolve supersedes nothing
	}
	if wish.Hash(wished.Status.Snapshot, f.Binding.Spec.Targets) != f.Run.Annotations[v1alpha1.AnnotationWish] {
		return plan.Supersede, nil
	}
	return "", nil
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

func releaseName(spec v1alpha1.DeploymentRunSpec) string {
	return string(spec.Project) + "-" + string(spec.Release)
}
