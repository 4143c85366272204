package target

import (
	"errors"
	"strings"
	"testing"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// What kubectl shows of a cordoned target says so, and why, whatever its health.
func TestACordonIsShown(t *testing.T) {
	dt := aTarget()
	healthy := &result{At: noon, Probe: session.Probe{Facts: able()}}
	away := &result{At: noon, Err: &halibut.ConnectError{Stage: halibut.ConnectionRefused, Err: errors.New("refused")}}
	for _, c := range []struct {
		cordoned        bool
		reason          string
		found           *result
		summary, suffix string
	}{
		{false, "", healthy, "Healthy", ""},
		{true, "new disk\nin web-1", healthy, "Healthy,Cordoned", "; cordoned: new disk in web-1"},
		{true, "new disk\nin web-1", nil, "Healthy,Cordoned", "; cordoned: new disk in web-1"}, // the operator was restarted
		{true, "noisy; cordoned by anna", nil, "Healthy,Cordoned", "; cordoned: noisy; cordoned by anna"},
		{true, "noisy; cordoned by anna", nil, "Healthy,Cordoned", "; cordoned: noisy; cordoned by anna"},
		{true, "", healthy, "Healthy,Cordoned", "; cordoned"},
		{true, "moves", away, "Unavailable,Cordoned", "; cordoned: moves"},
		{false, "", away, "Unavailable", ""},
	} {
		dt.Spec.Cordoned, dt.Spec.CordonReason = c.cordoned, c.reason
		describe(seen(dt, c.found))
		message := ready(t, dt).Message
		if dt.Status.Summary != c.summary || !strings.HasSuffix(message, c.suffix) || strings.Count(message, "cordoned") != strings.Count(c.suffix, "cordoned") {
			t.Errorf("%+v: %s, %q", c, dt.Status.Summary, message)
		}
	}
}
