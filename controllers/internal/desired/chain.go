package desired

import (
	"cmp"
	"slices"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// Chain is the list of a binding's runs, oldest first.
type Chain []v1alpha1.DeploymentRun

// ChainOf returns the runs that the binding created, in order. A run that only has the binding's label is not included.
func ChainOf(b *v1alpha1.ReleaseBinding, runs []v1alpha1.DeploymentRun) Chain {
	return NewChain(slices.DeleteFunc(slices.Clone(runs), func(r v1alpha1.DeploymentRun) bool { return !metav1.IsControlledBy(&r, b) }))
}

// NewChain sorts the runs by their place in the chain; creation times are not precise enough for that.
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

// Compare orders runs of any chains by age: by creation time, and within one second by their place in their chain.
func Compare(a, b *v1alpha1.DeploymentRun) int {
	if d := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); d != 0 {
		return d
	}
	if d := cmp.Compare(Sequence(a), Sequence(b)); d != 0 {
		return d
	}
	return cmp.Compare(a.Name, b.Name)
}

// Sequence returns the run's place in its binding's chain, from 1; 0 if it has none. It is limited to 32 bits, so that no
// user can set a number without a successor.
func Sequence(r *v1alpha1.DeploymentRun) int64 {
	n, err := strconv.ParseInt(r.Annotations[v1alpha1.AnnotationSequence], 10, 32)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// maxStored bounds the numbers of runs that are read from a status, which a user may have changed.
const maxStored = 1 << 30

// Stored returns a run's number that was read from a status; 0 if it is out of range.
func Stored(number int64) int64 {
	if number < 0 || number > maxStored {
		return 0
	}
	return number
}

// Newest returns the newest run, or nil.
func (c Chain) Newest() *v1alpha1.DeploymentRun {
	if len(c) == 0 {
		return nil
	}
	return &c[len(c)-1]
}

// Unfinished returns the newest run that has not ended, or nil.
func (c Chain) Unfinished() *v1alpha1.DeploymentRun {
	for i := len(c) - 1; i >= 0; i-- {
		if !c[i].Status.Phase.IsTerminal() {
			return &c[i]
		}
	}
	return nil
}
