package controllers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// Who runs `kubectl get events` reads a failed run from its start, over the first failure, to its end.
func TestEventsTellOfARunThatFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"web-1", "web-2"} {
		w.target(name).fails("web/install", 3)
	}
	w.project()
	w.release("1.0.0")
	w.wish("1.0.0")
	w.readyWith(v1alpha1.ReasonRunFailed)
	run := w.runs()[0].Name
	w.eventually("the events of the run are there", func() (bool, string) {
		var list eventsv1.EventList
		if err := w.client.List(t.Context(), &list, client.InNamespace(w.namespace)); err != nil {
			return false, err.Error()
		}
		var told []string
		for _, e := range list.Items {
			if e.Regarding.Name == run && e.Action != "Wait" {
				told = append(told, fmt.Sprintf("%s %s %s %s", e.Type, e.Action, e.Reason, e.Note))
			}
		}
		slices.Sort(told)
		return len(told) == 3 && strings.HasPrefix(told[0], "Normal Start Started release 1.0.0 to production: started; targets: 2") &&
			strings.HasPrefix(told[1], "Warning Fail StepFailed release 1.0.0 to production: step web/install failed on target web-") && strings.Contains(told[1], "ExitCode") &&
			strings.HasPrefix(told[2], "Warning Finish Failed release 1.0.0 to production: "), strings.Join(told, "\n")
	})
}
