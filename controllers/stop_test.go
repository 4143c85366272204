package controllers_test

import (
	"strings"
	"testing"

	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// To delete a run that goes on is to cancel it: nothing begins again by itself, and the binding tells why.
func TestARunThatIsDeletedWhileItRunsIsNotStartedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.target("web-1")
	defer m.holds("web/install")()
	w.project()
	w.release("1.0.0")
	w.wish("1.0.0")
	w.began(m, "1.0.0 web/install")
	going := w.runs()[0]
	if err := w.client.Delete(t.Context(), &going); err != nil {
		t.Fatal(err)
	}
	const want = "was deleted before it had ended, which cancelled it"
	b := w.readyWith(v1alpha1.ReasonRunCancelled)
	if c := ready(b); !strings.Contains(c.Message, "run "+going.Name+" "+want) {
		t.Errorf("it says: %s", c.Message)
	}
	w.eventually("an event of the binding tells it", func() (bool, string) {
		var list eventsv1.EventList
		if err := w.client.List(t.Context(), &list, client.InNamespace(w.namespace)); err != nil {
			return false, err.Error()
		}
		var notes []string
		for _, e := range list.Items {
			if e.Regarding.Kind != "ReleaseBinding" {
				continue
			}
			if strings.Contains(e.Note, want) {
				return e.Type == "Warning", e.Type
			}
			notes = append(notes, e.Note)
		}
		return false, strings.Join(notes, "; ")
	})
	w.eventually("the run is gone", func() (bool, string) { return len(w.runs()) == 0, "not yet" })
	w.looksAgain(v1alpha1.ReasonRunCancelled)
	w.expectDid(m, "1.0.0 web/install")
}
