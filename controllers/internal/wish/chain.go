package wish

import (
	"cmp"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// Chain are the runs of one binding, oldest first.
type Chain []v1alpha1.DeploymentRun

// NewChain orders the runs by their place in the chain; creation times are too coarse for that.
func NewChain(runs []v1alpha1.DeploymentRun) Chain {
	c := slices.Clone(runs)
	slices.SortFunc(c, func(a, b v1alpha1.DeploymentRun) int {
		if d := cmp.Compare(Sequence(&a), Sequence(&b)); d != 0 {
			return d
		}
		return a.CreationTimestamp.Compare(b.CreationTimestamp.Time)
	})
	return c
}

// Compare orders runs by age, of whatever chain: by when they were made, and within one second by their place in their
// chain.
func Compare(a, b *v1alpha1.DeploymentRun) int {
	if d := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); d != 0 {
		return d
	}
	if d := cmp.Compare(Sequence(a), Sequence(b)); d != 0 {
		return d
	}
	return cmp.Compare(a.Name, b.Name)
}

// Sequence is the run's place in its binding's chain, from 1; 0 where nobody wrote it down.
func Sequence(r *v1alpha1.DeploymentRun) int {
	n, err := strconv.Atoi(r.Annotations[v1alpha1.AnnotationSequence])
	if err != nil {
		return 0
	}
	return n
}

// Newest is the youngest run, or nil.
func (c Chain) Newest() *v1alpha1.DeploymentRun {
	if len(c) == 0 {
		return nil
	}
	return &c[len(c)-1]
}

// Unfinished is the youngest run that has not ended, or nil.
func (c Chain) Unfinished() *v1alpha1.DeploymentRun {
	for i := len(c) - 1; i >= 0; i-- {
		if !c[i].Status.Phase.IsTerminal() {
			return &c[i]
		}
	}
	return nil
}

// Since are the youngest runs that were all made for this wish.
func (c Chain) Since(hash string) Chain {
	i := len(c)
	for i > 0 && c[i-1].Annotations[v1alpha1.AnnotationWish] == hash {
		i--
	}
	return c[i:]
}

// Succeeded tells whether a run of the chain did, and deployed to somebody: one that left all its targets out is no
// success to build on.
func (c Chain) Succeeded() bool {
	return slices.ContainsFunc(c, func(r v1alpha1.DeploymentRun) bool {
		return r.Status.Phase == v1alpha1.RunSucceeded && r.Status.Targets.Succeeded > 0
	})
}

// ConvergenceFailures are the runs of this retry token that were a Convergence and failed, by UID: the targets
// that failed in them are left out until the wish or the token changes.
func (c Chain) ConvergenceFailures(retry string) map[types.UID]bool {
	failed := map[types.UID]bool{}
	for _, r := range c {
		if r.Spec.Purpose == v1alpha1.PurposeConvergence && r.Status.Phase == v1alpha1.RunFailed &&
			r.Annotations[v1alpha1.AnnotationHandledRetry] == retry {
			failed[r.UID] = true
		}
	}
	return failed
}

// LeftOut tells whether the target failed in one of these runs and nothing was deployed to it since.
func LeftOut(t *v1alpha1.DeploymentTarget, project, environment v1alpha1.ObjectName, failed map[types.UID]bool) bool {
	row := Installed(t, project, environment)
	return row != nil && row.Phase == v1alpha1.InstalledFailed && failed[row.RunUID]
}
