package controllers_test

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// edit changes an object of the namespace as a person would.
func edit[T client.Object](w *world, name string, o T, change func(T)) {
	w.t.Helper()
	if err := w.client.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, o); err != nil {
		w.t.Fatal(err)
	}
	before, ok := o.DeepCopyObject().(client.Object)
	if !ok {
		w.t.Fatalf("%T is no object", o)
	}
	change(o)
	if err := w.client.Patch(w.t.Context(), o, client.MergeFrom(before)); err != nil {
		w.t.Fatalf("changing %s: %v", name, err)
	}
}

// reasonOf waits until a condition has a reason, at the object's current generation, and gives its message.
func (w *world) reasonOf(o client.Object, name, kind, reason string) metav1.Condition {
	w.t.Helper()
	var c metav1.Condition
	w.eventually(fmt.Sprintf("%s of %T %s is %s", kind, o, name, reason), func() (bool, string) {
		if err := w.client.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, o); err != nil {
			return false, err.Error()
		}
		found := meta.FindStatusCondition(*conditionsOf(o), kind)
		if found == nil {
			return false, fmt.Sprintf("no such condition; %+v", *conditionsOf(o))
		}
		c = *found
		return c.Reason == reason && c.ObservedGeneration == o.GetGeneration(), c.Reason + ": " + c.Message
	})
	return c
}

func conditionsOf(o client.Object) *[]metav1.Condition {
	switch o := o.(type) {
	case *v1alpha1.DeploymentTarget:
		return &o.Status.Conditions
	case *v1alpha1.Project:
		return &o.Status.Conditions
	case *v1alpha1.Release:
		return &o.Status.Conditions
	case *v1alpha1.ReleaseBinding:
		return &o.Status.Conditions
	case *v1alpha1.DeploymentRun:
		return &o.Status.Conditions
	case *v1alpha1.Environment:
		return &o.Status.Conditions
	default:
		return &[]metav1.Condition{}
	}
}

// run gives the only run that f accepts, and waits for it.
func (w *world) run(what string, f func(*v1alpha1.DeploymentRun) bool) *v1alpha1.DeploymentRun {
	w.t.Helper()
	var run *v1alpha1.DeploymentRun
	w.eventually(what, func() (bool, string) {
		runs := w.runs()
		var seen []string
		for i := range runs {
			seen = append(seen, describe(&runs[i]))
			if f(&runs[i]) {
				run = &runs[i]
				return true, ""
			}
		}
		return false, strings.Join(seen, "; ")
	})
	return run
}

func describe(r *v1alpha1.DeploymentRun) string {
	text := fmt.Sprintf("%s %s %s %s %s", r.Name, r.Spec.Release, r.Spec.Purpose, r.Status.Phase, r.Status.Progress)
	if c := meta.FindStatusCondition(r.Status.Conditions, v1alpha1.ConditionReady); c != nil {
		text += " (" + c.Reason + ": " + c.Message + ")"
	}
	return text
}

// ended is a run of a release that has a phase.
func ended(release v1alpha1.Version, phase v1alpha1.RunPhase) func(*v1alpha1.DeploymentRun) bool {
	return func(r *v1alpha1.DeploymentRun) bool { return r.Spec.Release == release && r.Status.Phase == phase }
}

// looksAgain has the operator judge the binding once more, and waits until it has.
func (w *world) looksAgain(reason string) *v1alpha1.ReleaseBinding {
	w.t.Helper()
	for _, suspend := range []bool{true, false} {
		edit(w, "shop-production", &v1alpha1.ReleaseBinding{}, func(b *v1alpha1.ReleaseBinding) { b.Spec.Suspend = suspend })
		w.readyWith(reason)
	}
	return w.binding()
}

// retry asks for one more try.
func (w *world) retry(token string) {
	w.t.Helper()
	edit(w, "shop-production", &v1alpha1.ReleaseBinding{}, func(b *v1alpha1.ReleaseBinding) {
		metav1.SetMetaDataAnnotation(&b.ObjectMeta, v1alpha1.AnnotationRetry, token)
	})
}

// swiftly is a policy that looks at machines as often as is allowed and does not wait long for them.
func (w *world) swiftly() func(*v1alpha1.DeploymentTarget) {
	w.t.Helper()
	w.create(&v1alpha1.TargetPolicy{ObjectMeta: metav1.ObjectMeta{Name: "swift"}, Spec: v1alpha1.TargetPolicySpec{
		HealthCheck: &v1alpha1.HealthCheck{Interval: seconds(10)},
		Connection:  &v1alpha1.Connection{ConnectTimeout: seconds(2), RetryDuration: seconds(1)},
	}})
	return func(t *v1alpha1.DeploymentTarget) { t.Spec.Policy = "swift" }
}

// began waits until a step is at work on the machine.
func (w *world) began(m *fakeMachine, what string) {
	w.t.Helper()
	w.eventually(what+" begins on "+m.name, func() (bool, string) {
		did := m.did()
		return slices.Contains(did, what), strings.Join(did, ", ")
	})
}

// expectDid compares what a machine did with what it should have done.
func (w *world) expectDid(m *fakeMachine, want ...string) {
	w.t.Helper()
	if got := m.did(); !slices.Equal(got, want) {
		w.t.Errorf("%s ran %q, wanted %q", m.name, got, want)
	}
}

// versions are the steps of project shop for releases, in order.
func versions(releases ...string) []string {
	var all []string
	for _, r := range releases {
		all = append(all, r+" web/install", r+" web/smoke")
	}
	return all
}

// person makes a run as a person does.
func (w *world) person(name string, version v1alpha1.Version, change ...func(*v1alpha1.DeploymentRun)) {
	w.t.Helper()
	r := &v1alpha1.DeploymentRun{ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.DeploymentRunSpec{Project: "shop", Release: version, Environment: "production"}}
	for _, c := range change {
		c(r)
	}
	w.create(r)
}
