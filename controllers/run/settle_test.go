package run

import (
	"slices"
	"strconv"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// Runs of one second are told apart by their place in the binding's chain; the list has them in any order.
func TestPruningKeepsTheNewestOfRunsOfOneSecond(t *testing.T) {
	binding := &v1alpha1.ReleaseBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "shop-production", UID: "binding"}}
	var runs []v1alpha1.DeploymentRun
	for _, n := range []int{9, 12, 10, 11, 8} {
		run := ended("run-"+strconv.Itoa(n), time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC))
		run.Annotations = map[string]string{v1alpha1.AnnotationSequence: strconv.Itoa(n)}
		run.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(binding, v1alpha1.GroupVersion.WithKind("ReleaseBinding"))}
		if n >= 10 {
			run.Status.Phase = v1alpha1.RunFailed
		}
		runs = append(runs, *run)
	}
	for keep, want := range map[int][]string{1: {"run-10", "run-11", "run-8"}, 2: {"run-10", "run-8"}, 3: {"run-8"}} {
		var got []string
		for _, run := range expendable(runs, &runs[0], keep) {
			got = append(got, run.Name)
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("keeping %d deletes %v, wanted %v: the newest and the last that succeeded stay", keep, got, want)
		}
	}
}
