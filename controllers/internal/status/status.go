package status

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// MaxMessage bounds a condition's message, in bytes; Kubernetes refuses more than 32 KiB.
const MaxMessage = 4 << 10

// RetryConflict is the pause before an object is judged again that somebody changed while a pass judged it.
const RetryConflict = 100 * time.Millisecond

// Patcher remembers an object as a pass found it.
type Patcher struct {
	client client.Client
	before client.Object
	lock   bool
}

// NewPatcher remembers the object. Call it before the pass changes anything.
func NewPatcher(c client.Client, o client.Object) *Patcher {
	before, ok := o.DeepCopyObject().(client.Object)
	if !ok {
		// DeepCopyObject of a client.Object is one.
		panic(fmt.Sprintf("status: %T is not a client.Object", o))
	}
	return &Patcher{client: c, before: before}
}

// WithLock makes Patch fail with a conflict when somebody else changed the object meanwhile, or it was made again under
// its name. Nothing else keeps a late status from another object: API servers ignore a UID in a patch of a status.
func (p *Patcher) WithLock() *Patcher {
	p.lock = true
	return p
}

// Patch sends what the pass changed in the status, and nothing where nothing changed. An object that is gone is
// not an error.
func (p *Patcher) Patch(ctx context.Context, o client.Object) error {
	if equality.Semantic.DeepEqual(p.before, o) {
		return nil
	}
	patch := client.MergeFrom(statusOf(p.before))
	if p.lock {
		patch = client.MergeFromWithOptions(statusOf(p.before), client.MergeFromWithOptimisticLock{})
	}
	data, err := patch.Data(statusOf(o))
	if err != nil {
		return fmt.Errorf("comparing the status of %s: %w", o.GetName(), err)
	}
	answer, err := p.metadata(o)
	if err != nil {
		return err
	}
	err = p.client.Status().Patch(ctx, answer, client.RawPatch(patch.Type(), data))
	if err == nil {
		o.SetResourceVersion(answer.ResourceVersion)
	}
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("patching the status of %s: %w", o.GetName(), err)
	}
	return nil
}

// metadata asks the API server to answer with the metadata only: what was written is known here.
func (p *Patcher) metadata(o client.Object) (*metav1.PartialObjectMetadata, error) {
	kind, err := p.client.GroupVersionKindFor(o)
	if err != nil {
		return nil, fmt.Errorf("finding the kind of %T: %w", o, err)
	}
	answer := &metav1.PartialObjectMetadata{}
	answer.SetGroupVersionKind(kind)
	answer.SetNamespace(o.GetNamespace())
	answer.SetName(o.GetName())
	return answer, nil
}

// statusOf is the object without anything but its status, its name and its version. It shares the status.
func statusOf(o client.Object) client.Object {
	from := reflect.ValueOf(o).Elem()
	to := reflect.New(from.Type())
	to.Elem().FieldByName("Status").Set(from.FieldByName("Status"))
	slim, ok := to.Interface().(client.Object)
	if !ok {
		// It has the type of o.
		panic(fmt.Sprintf("status: %T is not a client.Object", o))
	}
	slim.SetNamespace(o.GetNamespace())
	slim.SetName(o.GetName())
	slim.SetResourceVersion(o.GetResourceVersion())
	return slim
}

// IsConflict tells whether somebody else changed the object meanwhile.
func IsConflict(err error) bool { return apierrors.IsConflict(err) }

// Conditions writes conditions that speak of one generation.
type Conditions struct {
	List       *[]metav1.Condition
	Generation int64
	// Now is the time of what changes; the zero time means the present.
	Now time.Time
}

// Set writes one condition. Its time changes only when its status does.
func (c Conditions) Set(kind string, status metav1.ConditionStatus, reason, message string) {
	condition := metav1.Condition{Type: kind, Status: status, Reason: word(reason), Message: bounded(message, MaxMessage), ObservedGeneration: c.Generation}
	if !c.Now.IsZero() {
		condition.LastTransitionTime = metav1.NewTime(c.Now)
	}
	if is := meta.FindStatusCondition(*c.List, kind); is != nil && is.Status == status {
		condition.LastTransitionTime = is.LastTransitionTime
	}
	meta.SetStatusCondition(c.List, condition)
}

// SetReason writes one condition whose time tells since when it has this reason at this generation; Absence reads it.
func (c Conditions) SetReason(kind string, status metav1.ConditionStatus, reason, message string) {
	if is := meta.FindStatusCondition(*c.List, kind); is != nil && (is.Reason != reason || is.ObservedGeneration != c.Generation) {
		c.Remove(kind)
	}
	c.Set(kind, status, reason, message)
}

// Remove takes a condition away.
func (c Conditions) Remove(kind string) { meta.RemoveStatusCondition(c.List, kind) }

// Ready says that all is as wished.
func (c Conditions) Ready(reason, message string) {
	c.Set(v1alpha1.ConditionReady, metav1.ConditionTrue, reason, message)
	c.Remove(v1alpha1.ConditionReconciling)
	c.Remove(v1alpha1.ConditionStalled)
}

// Reconciling says that it is not as wished yet and goes on by itself.
func (c Conditions) Reconciling(reason, message string) {
	c.Set(v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message)
	c.SetReason(v1alpha1.ConditionReconciling, metav1.ConditionTrue, reason, message)
	c.Remove(v1alpha1.ConditionStalled)
}

// Stalled says that it is not as wished and that a person is needed.
func (c Conditions) Stalled(reason, message string) {
	c.Set(v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message)
	c.Set(v1alpha1.ConditionStalled, metav1.ConditionTrue, reason, message)
	c.Remove(v1alpha1.ConditionReconciling)
}

// NotReady says that it is not as wished; neither we nor a change of the spec can mend it.
func (c Conditions) NotReady(reason, message string) {
	c.Set(v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message)
	c.Remove(v1alpha1.ConditionReconciling)
	c.Remove(v1alpha1.ConditionStalled)
}
