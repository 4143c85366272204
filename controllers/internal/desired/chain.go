package desired

import (
	"cmp"
	"slices"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// Chain are the runs of one binding, oldest first.
type Chain []v1alpha1.DeploymentRun

// ChainOf orders those of the runs that the binding made. A run that only carries the binding's label is not one.
func ChainOf(b *v1alpha1.ReleaseBinding, runs []v1alpha1.DeploymentRun) Chain {
	return NewChain(slices.DeleteFunc(slices.Clone(runs), func(r v1alpha1.DeploymentRun) bool { return !metav1.IsControlledBy(&r, b) }))
}

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

// Sequence is the run's place in its binding's chain, from 1; 0 where nobody wrote it down. It has 32 bits, so that what
// is written by a stranger leaves room for the next one.
func Sequence(r *v1alpha1.DeploymentRun) int64 {
	n, err := strconv.ParseInt(r.Annotations[v1alpha1.AnnotationSequence], 10, 32)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// maxStored bounds the numbers of runs that are read back from a status: whoever may write it may write any.
const maxStored = 1 << 30

// Stored is a number of a run that was read back from a status; 0 where it cannot be one.
func Stored(number int64) int64 {
	if number < 0 || number > maxStored {
		return 0
	}
	return number
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
