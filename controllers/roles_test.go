package controllers_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/desired"
)

// nextRun is the name of the first run that a binding would make.
func nextRun(b *v1alpha1.ReleaseBinding, hash string) string { return desired.RunName(b, hash, "", 1) }

// twoRoles makes a project with a step for the role web and one for the role db.
func twoRoles(p *v1alpha1.Project) {
	script := v1alpha1.StepModifiers{Run: &v1alpha1.RunStep{Shell: v1alpha1.ShellBash, Script: "true"}}
	p.Spec.Steps = []v1alpha1.Step{
		{Name: "web", Roles: []v1alpha1.Role{"web"}, StepModifiers: script},
		{Name: "db", Roles: []v1alpha1.Role{"db"}, StepModifiers: script},
	}
}

// A machine that is given one more role gets what the steps for it do.
func TestATargetThatIsGivenARoleLaterConverges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	web := w.target("web-1")
	db := w.target("db-1", func(t *v1alpha1.DeploymentTarget) { t.Spec.Roles = []v1alpha1.Role{"db"} })
	w.project(twoRoles)
	w.release("1.0.0")
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonUpToDate)
	web.fails("db", 1)
	edit(w, "web-1", &v1alpha1.DeploymentTarget{}, func(t *v1alpha1.DeploymentTarget) { t.Spec.Roles = []v1alpha1.Role{"web", "db"} })
	w.readyWith(v1alpha1.ReasonTargetsFailed)

	web.fails("db", 0)
	w.retry("it is mended")
	w.run("the target converges", func(r *v1alpha1.DeploymentRun) bool {
		return r.Spec.Purpose == v1alpha1.PurposeConvergence && r.Status.Phase == v1alpha1.RunSucceeded && r.Status.Targets.Total == 1
	})
	w.readyWith(v1alpha1.ReasonUpToDate)
	w.looksAgain(v1alpha1.ReasonUpToDate)
	w.expectDid(web, "1.0.0 web", "1.0.0 web", "1.0.0 db", "1.0.0 web", "1.0.0 db")
	w.expectDid(db, "1.0.0 db")
	if n := len(w.runs()); n != 3 {
		t.Errorf("%d runs, wanted the rollout, the try that failed and the one that did not", n)
	}
	target := &v1alpha1.DeploymentTarget{}
	w.reasonOf(target, "web-1", v1alpha1.ConditionReady, v1alpha1.ReasonHealthy)
	if row := target.Status.Installed[0]; !slices.Equal(row.Steps, []string{"web", "db"}) {
		t.Errorf("what is installed says that the steps were %v", row.Steps)
	}
}

// A cordoned machine that can be reached is not said to be out of reach.
func TestACordonedTargetIsCountedApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	swift := w.swiftly()
	w.target("web-1", swift)
	w.target("web-2", swift, func(t *v1alpha1.DeploymentTarget) { t.Spec.Cordoned = true })
	w.project()
	w.release("1.0.0")
	w.wish("1.0.0")
	told := w.reasonOf(&v1alpha1.ReleaseBinding{}, "shop-production", v1alpha1.ConditionReady, v1alpha1.ReasonUpToDate)
	if told.Message != "1 of 2 targets have the release; 1 cordoned" {
		t.Errorf("it says %q", told.Message)
	}
	if c := w.binding().Status.Targets; c.Cordoned != 1 || c.Unavailable != 0 {
		t.Errorf("%+v", c)
	}
	w.target("web-3", swift).Stop()
	w.eventually("one that is away is told apart", func() (bool, string) {
		b := w.binding()
		c := b.Status.Targets
		for _, condition := range b.Status.Conditions {
			if condition.Type == v1alpha1.ConditionReady {
				return c.Cordoned == 1 && c.Unavailable == 1 && strings.HasSuffix(condition.Message, "; 1 cordoned; 1 unreachable, deployed to when reachable again"), condition.Message
			}
		}
		return false, "no condition"
	})
}
