package run

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/desired"
	"github.com/mantledeploy/mantle/controllers/internal/packages"
)

// supersede has the binding that made the run wish another release.
func (s *stage) supersede() {
	s.t.Helper()
	binding := &v1alpha1.ReleaseBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "shop-production", UID: "binding"},
		Spec: v1alpha1.ReleaseBindingSpec{Project: "shop", Environment: "production", Release: "2.0.0"}}
	next := aRelease()
	next.Name, next.Spec.Version, next.Status.Snapshot = "shop-2.0.0", "2.0.0", "shop-2.0.0-0123456789"
	for _, o := range []client.Object{binding, next} {
		if err := s.client.Create(s.t.Context(), o); err != nil {
			s.t.Fatal(err)
		}
	}
	run := &v1alpha1.DeploymentRun{}
	if err := s.client.Get(s.t.Context(), client.ObjectKey{Namespace: "shop", Name: "run"}, run); err != nil {
		s.t.Fatal(err)
	}
	run.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(binding, v1alpha1.GroupVersion.WithKind("ReleaseBinding"))}
	if err := s.client.Update(s.t.Context(), run); err != nil {
		s.t.Fatal(err)
	}
}

func TestWhatCannotBeginIsNotWaitedForForEver(t *testing.T) {
	child := func(s v1alpha1.Step) v1alpha1.ChildStep {
		return v1alpha1.ChildStep{Name: s.Name, StepModifiers: s.StepModifiers}
	}
	rolling := v1alpha1.Step{Name: "web", Steps: []v1alpha1.ChildStep{child(script("stop")), child(deploy("install"))}}
	for name, tt := range map[string]struct {
		superseded bool
		waits      time.Duration
	}{
		"a run that goes on":       {false, time.Hour},
		"a run that is superseded": {true, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, process(rolling), []string{"web-1", "web-2"})
			s.passes()
			s.packageState = packages.Pending
			s.ends("web-1", "web/stop", v1alpha1.StepSucceeded)
			s.passes()
			if tt.superseded {
				s.supersede()
			}
			s.clock = s.clock.Add(tt.waits / 2)
			if run := s.passes(); run.Status.Phase.IsTerminal() || s.row("web-1", "web/install").Phase != v1alpha1.StepRunning {
				t.Fatalf("it did not wait: the run is %s, the row %+v", run.Status.Phase, s.row("web-1", "web/install"))
			}
			s.clock = s.clock.Add(tt.waits)
			run := s.passes()
			row := s.row("web-1", "web/install")
			if row.Phase != v1alpha1.StepFailed || row.Reason != v1alpha1.ReasonPackagePending || !strings.Contains(row.Message, "package web 1.0.0 is being fetched") {
				t.Errorf("the row says %s (%s): %s", row.Phase, row.Reason, row.Message)
			}
			if run.Status.Phase != v1alpha1.RunFailed {
				t.Errorf("the run says %s", waits(run))
			}
		})
	}
}

// An action that waits for what it needs has a row, which says so, and holds its place in the window.
func TestAnActionThatWaitsSaysWhatFor(t *testing.T) {
	s := newStage(t, process(deploy("install")), []string{"web-1", "web-2"})
	s.packageState = packages.Pending
	s.passes()
	s.clock = s.clock.Add(time.Minute)
	run := s.passes()
	if n := run.Status.Targets; n.Running != 2 || n.Pending != 0 {
		t.Errorf("the run counts %+v", n)
	}
	row := s.row("web-1", "install")
	if row.Phase != v1alpha1.StepRunning || row.Sent || row.Reason != v1alpha1.ReasonPackagePending || !strings.Contains(row.Message, "package web 1.0.0 is being fetched") {
		t.Errorf("the row says %+v", row)
	}
	if got := waits(run); !strings.HasPrefix(got, "Waiting PackagePending: ") || !strings.Contains(got, "web-1") || !strings.Contains(got, "1 more") {
		t.Errorf("the run says %s", got)
	}
	s.packageState = packages.Ready
	s.passes()
	s.clock = s.clock.Add(time.Minute)
	s.passes()
	if row := s.row("web-1", "install"); !row.Sent || row.Reason != "" {
		t.Errorf("the row says %+v", row)
	}
}

// A wish that came and went does not count against what waits when the next one comes.
func TestAWishThatWasTakenBackDoesNotCount(t *testing.T) {
	s := newStage(t, process(deploy("install")), []string{"web-1"})
	s.packageState = packages.Pending
	run := s.run()
	run.Annotations = map[string]string{v1alpha1.AnnotationDesiredHash: desired.Hash(frozen, nil)}
	if err := s.client.Update(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	s.passes()
	s.supersede()
	wish := func(release v1alpha1.Version) {
		t.Helper()
		var binding v1alpha1.ReleaseBinding
		if err := s.client.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: "shop-production"}, &binding); err != nil {
			t.Fatal(err)
		}
		binding.Spec.Release = release
		if err := s.client.Update(t.Context(), &binding); err != nil {
			t.Fatal(err)
		}
		s.passes()
	}
	s.passes()
	wish("1.0.0")
	s.clock = s.clock.Add(10 * time.Minute)
	s.passes()
	wish("2.0.0")
	if row := s.row("web-1", "install"); row.Phase != v1alpha1.StepRunning {
		t.Fatalf("it was given up at once: %+v", row)
	}
	s.clock = s.clock.Add(61 * time.Second)
	s.passes()
	if row := s.row("web-1", "install"); row.Phase != v1alpha1.StepFailed {
		t.Errorf("it was not given up: %+v", row)
	}
}
