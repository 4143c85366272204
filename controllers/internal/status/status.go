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

// RetryConflict is the pause before an object that changed during a reconcile is reconciled again.
const RetryConflict = 100 * time.Millisecond

// Patcher remembers an object as it was at the beginning of a reconcile.
type Patcher struct {
	client client.Client
	before client.Object
	lock   bool
}

// NewPatcher returns a Patcher for an object. Call it before the object is changed.
func NewPatcher(c client.Client, o client.Object) *Patcher {
	before, ok := o.DeepCopyObject().(client.Object)
	if !ok {
		// DeepCopyObject of a client.Object is one.
		panic(fmt.Sprintf("status: %T is not a client.Object", o))
	}
	return &Patcher{client: c, before: before}
}

// WithLock makes Patch fail with a conflict if the object was changed since it was read, or was recreated. It is needed
// because API servers ignore a UID in a patch of a status, so that a late status could be written to a new object of
// the same name.
func (p *Patcher) WithLock() *Patcher {
	p.lock = true
	return p
}

// Patch writes what has changed in the status; it sends nothing if nothing has. A deleted object is not an error.
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

// metadata returns an object that makes the API server answer with the metadata only: what was written is known here.
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

// statusOf returns a copy of the object with only its status, name and resourceVersion. It shares the status.
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

// IsConflict reports whether an error means that the object was changed since it was read.
func IsConflict(err error) bool { return apierrors.IsConflict(err) }

// Conditions writes conditions for one generation.
type Conditions struct {
	List       *[]metav1.Condition
	Generation int64
	// Now is the time of transitions; the zero time means the present.
	Now time.Time
}

// Set writes one condition. Its lastTransitionTime changes only with its status.
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

// SetReason writes one condition. Its lastTransitionTime changes with its reason and generation too, as Absence needs it.
func (c Conditions) SetReason(kind string, status metav1.ConditionStatus, reason, message string) {
	if is := meta.FindStatusCondition(*c.List, kind); is != nil && (is.Reason != reason || is.ObservedGeneration != c.Generation) {
		c.Remove(kind)
	}
	c.Set(kind, status, reason, message)
}

// Remove removes a condition.
func (c Conditions) Remove(kind string) { meta.RemoveStatusCondition(c.List, kind) }

// Ready says that the object is in its desired state.
func (c Conditions) Ready(reason, message string) {
	c.Set(v1alpha1.ConditionReady, metav1.ConditionTrue, reason, message)
	c.Remove(v1alpha1.ConditionReconciling)
	c.Remove(v1alpha1.ConditionStalled)
}

// Reconciling says that the object is not in its desired state yet, and that the controller continues by itself.
func (c Conditions) Reconciling(reason, message string) {
	c.Set(v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message)
	c.SetReason(v1alpha1.ConditionReconciling, metav1.ConditionTrue, reason, message)
	c.Remove(v1alpha1.ConditionStalled)
}

// Stalled says that the object is not in its desired state, and that a user must act.
func (c Conditions) Stalled(reason, message string) {
	c.Set(v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message)
	c.Set(v1alpha1.ConditionStalled, metav1.ConditionTrue, reason, message)
	c.Remove(v1alpha1.ConditionReconciling)
}

// NotReady says that the object is not in its desired state, that nothing is in progress, and that no change of the
// spec would help; for example, a machine is offline.
func (c Conditions) NotReady(reason, message string) {
	c.Set(v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message)
	c.Remove(v1alpha1.ConditionReconciling)
	c.Remove(v1alpha1.ConditionStalled)
}
