package release

import (
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/feed"
	"github.com/mantledeploy/mantle/controllers/internal/packages"
	"github.com/mantledeploy/mantle/controllers/internal/scope"
)

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func project(change ...func(*v1alpha1.Project)) *v1alpha1.Project {
	p := &v1alpha1.Project{ObjectMeta: metav1.ObjectMeta{Name: "shop", Generation: 2}}
	p.Spec.Packages = []v1alpha1.ProjectPackage{{Name: "web", URL: "https://x/web-{version}.tgz"}}
	p.Status.ObservedGeneration = 2
	p.Status.ProcessDigest = "sha256:aa"
	p.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, ObservedGeneration: 2}}
	for _, c := range change {
		c(p)
	}
	return p
}

func release(change ...func(*v1alpha1.Release)) *v1alpha1.Release {
	r := &v1alpha1.Release{ObjectMeta: metav1.ObjectMeta{Name: "shop-1.0.0"}}
	r.Spec = v1alpha1.ReleaseSpec{Project: "shop", Version: "1.0.0", Packages: []v1alpha1.ReleasePackage{{Name: "web", Version: "1.0.0"}}}
	for _, c := range change {
		c(r)
	}
	return r
}

// waitingSince is a release that has waited for its project since then.
func waitingSince(at time.Time) func(*v1alpha1.Release) {
	return func(r *v1alpha1.Release) {
		describe(facts{Now: at, Release: r}, judge(facts{Now: at, Release: r}))
	}
}

func TestJudge(t *testing.T) {
	tests := map[string]struct {
		facts   facts
		reason  string
		stalled bool
		freezes bool
		says    string
	}{
		"in order":   {facts{Release: release(), Project: project()}, "", false, true, ""},
		"no project": {facts{Release: release()}, v1alpha1.ReasonProjectNotFound, false, false, "spec.project"},
		"no project for a minute": {facts{Release: release(waitingSince(now.Add(-time.Minute)))},
			v1alpha1.ReasonProjectNotFound, true, false, "create it"},
		"a project that was just changed": {facts{Release: release(), Project: project(func(p *v1alpha1.Project) { p.Generation = 3 })},
			v1alpha1.ReasonProjectNotReady, false, false, "just changed"},
		"another process": {facts{Release: release(func(r *v1alpha1.Release) { r.Spec.ProcessDigest = "sha256:bb" }), Project: project()},
			v1alpha1.ReasonProcessDigestMismatch, false, false, "sha256:aa"},
		"a package is not named": {facts{Release: release(func(r *v1alpha1.Release) { r.Spec.Packages = nil }), Project: project()},
			v1alpha1.ReasonPackageMissing, true, false, "add it"},
		"a package too many": {facts{Release: release(func(r *v1alpha1.Release) {
			r.Spec.Packages = append(r.Spec.Packages, v1alpha1.ReleasePackage{Name: "db", Version: "1"})
		}), Project: project()}, v1alpha1.ReasonPackageMissing, true, false, "spec.packages[1].name"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.facts.Now = now
			v := judge(tt.facts)
			if v.Reason != tt.reason || v.Stalled != tt.stalled || (v.Freeze != nil) != tt.freezes || !strings.Contains(v.Message, tt.says) {
				t.Errorf("got %+v", v)
			}
		})
	}
}

func TestAFrozenReleaseDoesNotLookAtTheProject(t *testing.T) {
	v := judge(facts{Now: now, Release: release(), Frozen: &project().Spec, FrozenName: "shop-1.0.0-aa"})
	if v.Process == nil || v.Freeze != nil || v.Snapshot != "shop-1.0.0-aa" {
		t.Errorf("got %+v", v)
	}
}

// An operator that ends between the two writes leaves a snapshot of which the status says nothing.
func TestWhatWasFrozenBeforeACrashIsTold(t *testing.T) {
	f := facts{Now: now, Release: release(), Frozen: &project().Spec, FrozenName: "shop-1.0.0-aa"}
	describe(f, judge(f))
	if s := f.Release.Status; s.Snapshot != "shop-1.0.0-aa" || s.ProcessDigest != scope.Digest(project().Spec) {
		t.Errorf("snapshot %q, digest %q", s.Snapshot, s.ProcessDigest)
	}
}

func TestClassify(t *testing.T) {
	for reason, err := range map[string]error{
		v1alpha1.ReasonPackageRefused: &feed.RefusedError{}, v1alpha1.ReasonPackageInvalid: &packages.InvalidError{},
		v1alpha1.ReasonPackageChanged: packages.ErrChanged, v1alpha1.ReasonPackageUnavailable: errors.New("away"),
	} {
		if got, _ := classify(err); got != reason {
			t.Errorf("%v is %s", err, got)
		}
	}
}
