package release

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/snapshot"
	"github.com/mantledeploy/mantle/controllers/internal/status"
)

// maxDeployments limits the length of status.deployments.
const maxDeployments = 32

// describe sets the release's status from the verdict.
func describe(f facts, v verdict) {
	s := &f.Release.Status
	s.ObservedGeneration = f.Release.Generation
	if v.Snapshot != "" {
		s.Snapshot, s.ProcessDigest = v.Snapshot, v.Digest
	}
	if len(v.Packages) > 0 {
		s.Packages = v.Packages
	}
	s.Deployments = deployments(f.Runs)
	c := status.Conditions{List: &s.Conditions, Generation: f.Release.Generation, Now: f.Now}
	resolved := metav1.ConditionFalse
	switch {
	case v.Ready:
		resolved = metav1.ConditionTrue
		c.Ready(v.Reason, v.Message)
	case v.Stalled:
		c.Stalled(v.Reason, v.Message)
	default:
		c.Reconciling(v.Reason, v.Message)
	}
	c.SetReason(v1alpha1.ConditionResolved, resolved, v.Reason, v.Message)
	c.Remove(v1alpha1.ConditionProjectChanged)
	if why := snapshot.Changed(f.Release, f.Current); why != "" {
		c.Set(v1alpha1.ConditionProjectChanged, metav1.ConditionTrue, v1alpha1.ReasonProjectChanged, why)
	}
}

// deployments returns the newest run in each environment. If there are too many environments, it has those with the newest
// runs.
func deployments(runs []v1alpha1.DeploymentRun) []v1alpha1.ReleaseDeployment {
	runs = slices.Clone(runs)
	slices.SortFunc(runs, func(a, b v1alpha1.DeploymentRun) int { return b.CreationTimestamp.Compare(a.CreationTimestamp.Time) })
	seen := map[v1alpha1.ObjectName]bool{}
	var list []v1alpha1.ReleaseDeployment
	for _, run := range runs {
		if run.Status.Phase == "" || seen[run.Spec.Environment] || len(list) == maxDeployments {
			continue // a new run gets a phase soon
		}
		seen[run.Spec.Environment] = true
		at := run.Status.FinishTime
		if at == nil {
			at = run.Status.StartTime
		}
		list = append(list, v1alpha1.ReleaseDeployment{Environment: string(run.Spec.Environment), Run: run.Name, Phase: run.Status.Phase, Time: at.DeepCopy()})
	}
	slices.SortFunc(list, func(a, b v1alpha1.ReleaseDeployment) int { return strings.Compare(a.Environment, b.Environment) })
	return list
}
