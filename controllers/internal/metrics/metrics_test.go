package metrics

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/dispatch"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// gathered are the values of what a collector exports, as name{label values} value; of a histogram, how many were observed.
func gathered(t *testing.T, c prometheus.Collector) []string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(c); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := []string{}
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			value := m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			all = append(all, fmt.Sprintf("%s%v %g", f.GetName(), labels, value))
		}
	}
	return all
}

// Who may write the status of runs must not make as many series as they like, and what is deleted is not counted any more.
func TestLabelsAreBoundedByWhatThereIs(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	var objects []client.Object
	for i := range 10 {
		run := &v1alpha1.DeploymentRun{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprint("hostile-", i)}}
		run.Status.Phase = v1alpha1.RunPhase(fmt.Sprint("phase-", i))
		objects = append(objects, run)
	}
	failed := &v1alpha1.DeploymentRun{ObjectMeta: metav1.ObjectMeta{Namespace: "bank", Name: "failed"}, Status: v1alpha1.DeploymentRunStatus{Phase: v1alpha1.RunFailed}}
	held := &v1alpha1.ReleaseBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "bank", Name: "held"}, Status: v1alpha1.ReleaseBindingStatus{
		Conditions: []metav1.Condition{{Type: v1alpha1.ConditionStalled, Status: metav1.ConditionTrue}}}}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(append(objects, failed, held,
		&v1alpha1.DeploymentRun{ObjectMeta: metav1.ObjectMeta{Namespace: "bank", Name: "new"}},
		&v1alpha1.DeploymentRun{ObjectMeta: metav1.ObjectMeta{Namespace: "bank", Name: "skipped"}, Status: v1alpha1.DeploymentRunStatus{Phase: v1alpha1.RunSkipped}},
		&v1alpha1.ReleaseBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "bank", Name: "new"}})...).Build()
	o := NewObjects(c)
	want := []string{"mantle_bindings[bank Reconciling] 1", "mantle_bindings[bank Stalled] 1", "mantle_runs[bank Failed] 1", "mantle_runs[bank Pending] 1", "mantle_runs[bank Skipped] 1", "mantle_runs[shop Unknown] 10"}
	if got := gathered(t, o); !slices.Equal(got, want) {
		t.Errorf("there are %q, want %q", got, want)
	}
	for _, gone := range []client.Object{failed, held} {
		if err := c.Delete(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
	}
	want = []string{"mantle_bindings[bank Reconciling] 1", "mantle_runs[bank Pending] 1", "mantle_runs[bank Skipped] 1", "mantle_runs[shop Unknown] 10"}
	if got := gathered(t, o); !slices.Equal(got, want) {
		t.Errorf("after they were deleted, there are %q, want %q", got, want)
	}
}

func TestWhatIsDoneIsCounted(t *testing.T) {
	m := New(Load{Actions: func() dispatch.Stats { return dispatch.Stats{Waiting: 1, Running: 2, Ended: 3} },
		Sessions: func() session.Stats {
			return session.Stats{Dials: 4, WaitingDials: 5, MaxDials: 6, Followers: 7, MaxFollowers: 8}
		}})
	if got := gathered(t, m); slices.ContainsFunc(got, func(s string) bool { return s == "mantle_takeover_duration_seconds[] 0" }) {
		t.Error("a take-over is measured before there was one")
	}
	m.SliceWritten(time.Millisecond, 100, nil)
	m.SliceWritten(time.Millisecond, 11, errors.New("conflict"))
	m.PackageFetched(time.Second, 1000, nil)
	m.PackageFetched(time.Second, 0, errors.New("refused"))
	m.RunStarted(time.Second)
	m.RunFinished(v1alpha1.RunAbandoned)
	m.ActionSent(time.Second)
	m.TookOver(2 * time.Second)
	got := gathered(t, m)
	for _, want := range []string{"mantle_actions[waiting] 1", "mantle_actions[running] 2", "mantle_actions[ended] 3", "mantle_dials[] 4", "mantle_dials_waiting[] 5",
		"mantle_dials_limit[] 6", "mantle_followers[] 7", "mantle_followers_limit[] 8", "mantle_slice_write_duration_seconds[success] 1",
		"mantle_slice_write_duration_seconds[error] 1", "mantle_slice_write_bytes_total[] 111", "mantle_package_fetch_duration_seconds[success] 1",
		"mantle_package_fetch_duration_seconds[error] 1", "mantle_package_fetch_bytes_total[] 1000", "mantle_run_queue_duration_seconds[] 1",
		"mantle_runs_finished_total[Abandoned] 1", "mantle_runs_finished_total[Succeeded] 0", "mantle_runs_finished_total[Skipped] 0", "mantle_action_queue_duration_seconds[] 1", "mantle_takeover_duration_seconds[] 2"} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is not among %q", want, got)
		}
	}
}
