package controllers_test

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

func TestAMisspeltEnvironmentIsToldAndHoldsNothingUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.target("web-1", func(t *v1alpha1.DeploymentTarget) {
		t.Spec.Environments = []v1alpha1.ObjectName{"production", "staging"}
	})
	w.project()
	w.release("1.0.0")
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)

	target := &v1alpha1.DeploymentTarget{}
	waiting := w.reasonOf(target, "web-1", v1alpha1.ConditionEnvironmentsFound, v1alpha1.ReasonEnvironmentNotFound)
	if !strings.HasPrefix(waiting.Message, "spec.environments[1]: there is no Environment staging") {
		t.Errorf("it is told as %q", waiting.Message)
	}
	if ready := w.reasonOf(target, "web-1", v1alpha1.ConditionReady, v1alpha1.ReasonHealthy); ready.Status != metav1.ConditionTrue {
		t.Errorf("the machine is no longer ready: %+v", ready)
	}
	if waiting.Status != metav1.ConditionFalse {
		t.Errorf("the condition of its own says %+v", waiting)
	}
	told := meta.FindStatusCondition(target.Status.Conditions, v1alpha1.ConditionReconciling)
	if told == nil { // after a minute a person is asked for it
		told = meta.FindStatusCondition(target.Status.Conditions, v1alpha1.ConditionStalled)
	}
	if told == nil || told.Message != waiting.Message {
		t.Errorf("what is missing is told as %+v", told)
	}
	w.create(&v1alpha1.Environment{ObjectMeta: metav1.ObjectMeta{Name: "staging"}})
	w.eventually("the environment came", func() (bool, string) {
		err := w.client.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "web-1"}, target)
		return err == nil && meta.FindStatusCondition(target.Status.Conditions, v1alpha1.ConditionReconciling) == nil &&
			meta.FindStatusCondition(target.Status.Conditions, v1alpha1.ConditionStalled) == nil, fmt.Sprint(target.Status.Conditions, err)
	})
}

func TestAMisspeltTargetOfABindingIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.target("web-1")
	w.project()
	w.release("1.0.0")
	w.create(&v1alpha1.ReleaseBinding{ObjectMeta: metav1.ObjectMeta{Name: "shop-production"}, Spec: v1alpha1.ReleaseBindingSpec{Project: "shop", Environment: "production", Release: "1.0.0",
		Targets: &v1alpha1.BindingTargets{Names: []v1alpha1.ObjectName{"web-1", "wbe-2"}}}})
	told := w.reasonOf(&v1alpha1.ReleaseBinding{}, "shop-production", v1alpha1.ConditionReady, v1alpha1.ReasonUpToDate)
	if want := "1 of 1 targets have the release; spec.targets.names: environment production has no DeploymentTarget wbe-2"; told.Message != want {
		t.Errorf("it says %q", told.Message)
	}
}

func TestOutputThatStayedInAnotherPodIsToldToBeUnavailable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.target("web-1")
	letGo := m.holds("web/smoke")
	defer letGo()
	w.project()
	w.release("1.0.0")
	w.wish("1.0.0")
	w.began(m, "1.0.0 web/smoke")
	logOf := func(step int) *v1alpha1.ActionLog {
		var rows v1alpha1.DeploymentRunSliceList
		if err := w.client.List(t.Context(), &rows, client.InNamespace(w.namespace)); err != nil {
			t.Fatal(err)
		}
		if len(rows.Items) != 1 || len(rows.Items[0].Status.Results) != 1 || len(rows.Items[0].Status.Results[0].Steps) <= step {
			return nil
		}
		return rows.Items[0].Status.Results[0].Steps[step].Log
	}
	size := int64(len("step web/install of 1.0.0\n"))
	w.eventually("the size of the text is told", func() (bool, string) {
		log := logOf(0)
		return log != nil && *log == (v1alpha1.ActionLog{Size: size}), fmt.Sprintf("%+v", log)
	})
	w.stop()
	w.options.DataDir = t.TempDir() // the next pod
	w.start()
	w.eventually("the output is told to be gone", func() (bool, string) {
		log := logOf(0)
		return log != nil && *log == (v1alpha1.ActionLog{Size: size, Reason: v1alpha1.ReasonLogUnavailable}), fmt.Sprintf("%+v", log)
	})
	letGo()
	w.readyWith(v1alpha1.ReasonUpToDate)
	if log := logOf(1); log == nil || log.Size == 0 || log.Reason != "" {
		t.Errorf("the output that came afterwards: %+v", log)
	}
}
