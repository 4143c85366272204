package controllers_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

const changed = "the project has changed since 1.0.0 was created: create a new Release to deploy the change"

// Whoever rotated a Secret, or mended a machine by hand, wants the same release once more, on every target.
func TestATokenOnABindingThatIsUpToDateDeploysAgainOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.target("web-1"), w.target("web-2")
	w.project()
	w.release("1.0.0")
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)
	w.retry("rotated")
	w.handled("rotated")
	w.readyWith(v1alpha1.ReasonUpToDate)
	for _, m := range []*fakeMachine{a, b} {
		w.expectDid(m, versions("1.0.0", "1.0.0")...)
	}
	w.looksAgain(v1alpha1.ReasonUpToDate)
	w.restart()
	w.looksAgain(v1alpha1.ReasonUpToDate)
	if n := len(w.runs()); n != 2 {
		t.Errorf("%d runs were made for one release and one token", n)
	}

	// What fails then is a rollout that failed: it stops at the first machine, holds, and is tried again for all.
	a.fails("web/smoke", 1)
	w.retry("rotated again")
	w.readyWith(v1alpha1.ReasonRunFailed)
	w.expectDid(b, versions("1.0.0", "1.0.0")...)
	a.fails("web/smoke", 0)
	w.retry("mended")
	w.handled("mended")
	w.readyWith(v1alpha1.ReasonUpToDate)
	w.expectDid(a, versions("1.0.0", "1.0.0", "1.0.0", "1.0.0")...)
	w.expectDid(b, versions("1.0.0", "1.0.0", "1.0.0")...)
}

// handled waits until a run was made for a retry token, and has ended.
func (w *world) handled(token string) {
	w.t.Helper()
	w.eventually("the token "+token+" is handled", func() (bool, string) {
		s := w.binding().Status
		return s.LastHandledRetry == token && s.Record != nil && s.Record.Retry == token && !s.Record.Redeploy && s.CurrentRun == "", s.LastHandledRetry
	})
}

// A project is mended, and the release that failed is tried again: its process is the one that was frozen.
func TestWhoTriesAFrozenProcessAgainIsToldThatTheProjectChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.target("web-1")
	m.fails("web/smoke", 1)
	w.project()
	w.release("1.0.0")
	w.wish("1.0.0")
	if b := w.readyWith(v1alpha1.ReasonRunFailed); strings.Contains(ready(b).Message, "has changed") {
		t.Errorf("nothing has changed: %s", ready(b).Message)
	}
	if r := w.frozenRelease(); meta.FindStatusCondition(r.Status.Conditions, v1alpha1.ConditionProjectChanged) != nil {
		t.Errorf("nothing has changed: %+v", r.Status.Conditions)
	}

	edit(w, "shop", &v1alpha1.Project{}, func(p *v1alpha1.Project) { p.Spec.Steps[0].Steps[1].Run.Script = "exit 0" })
	w.eventually("the binding says that the project has changed", func() (bool, string) {
		c := ready(w.binding())
		return c.Reason == v1alpha1.ReasonRunFailed && strings.Contains(c.Message, changed), c.Message
	})
	c := w.reasonOf(&v1alpha1.Release{}, "shop-1.0.0", v1alpha1.ConditionProjectChanged, v1alpha1.ReasonProjectChanged)
	if c.Status != "True" || c.Message != changed {
		t.Errorf("the release says %s: %s", c.Status, c.Message)
	}
	w.retry("it is mended, is it not")
	w.handledWith("it is mended, is it not", v1alpha1.ReasonRunFailed, changed)

	edit(w, "shop", &v1alpha1.Project{}, func(p *v1alpha1.Project) { p.Spec.Steps[0].Steps[1].Run.Script = "true" })
	w.eventually("the project is as it was", func() (bool, string) {
		c := ready(w.binding())
		return meta.FindStatusCondition(w.frozenRelease().Status.Conditions, v1alpha1.ConditionProjectChanged) == nil && !strings.Contains(c.Message, "has changed"), c.Message
	})
}

func (w *world) handledWith(token, reason, message string) {
	w.t.Helper()
	w.eventually("the token is handled and the binding is "+reason, func() (bool, string) {
		b := w.binding()
		c := ready(b)
		return b.Status.LastHandledRetry == token && c.Reason == reason && strings.Contains(c.Message, message), c.Message
	})
}

func (w *world) frozenRelease() *v1alpha1.Release {
	w.t.Helper()
	r := &v1alpha1.Release{}
	w.reasonOf(r, "shop-1.0.0", v1alpha1.ConditionReady, v1alpha1.ReasonResolved)
	return r
}

// ready is the condition Ready of the binding.
func ready(b *v1alpha1.ReleaseBinding) metav1.Condition {
	if c := meta.FindStatusCondition(b.Status.Conditions, v1alpha1.ConditionReady); c != nil {
		return *c
	}
	return metav1.Condition{}
}
