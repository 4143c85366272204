package status

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/recorder"

	"github.com/mantledeploy/mantle/controllers/internal/text"
)

// The limits of an event, in bytes. The API server rejects an event that exceeds one of them.
const (
	maxNote   = 1024
	maxWord   = 128 // of a reason or an action
	otherWord = "Other"
)

// WithEvents returns a manager whose recorders limit events to what the API server accepts and a terminal can show.
func WithEvents(mgr ctrl.Manager) ctrl.Manager { return bounding{mgr} }

type bounding struct{ ctrl.Manager }

// GetEventRecorder implements recorder.Provider.
func (m bounding) GetEventRecorder(name string) recorder.EventRecorder {
	return eventRecorder{m.Manager.GetEventRecorder(name)}
}

type eventRecorder struct{ to recorder.EventRecorder }

var _ events.EventRecorder = eventRecorder{}

// Eventf implements events.EventRecorder.
func (r eventRecorder) Eventf(regarding, related runtime.Object, kind, reason, action, note string, args ...any) {
	r.AnnotatedEventf(regarding, related, nil, kind, reason, action, note, args...)
}

// AnnotatedEventf implements events.AnnotatedEventRecorder.
func (r eventRecorder) AnnotatedEventf(regarding, related runtime.Object, annotations map[string]string, kind, reason, action, note string, args ...any) {
	r.to.AnnotatedEventf(regarding, related, annotations, kind, word(reason), word(action), "%s", bounded(fmt.Sprintf(note, args...), maxNote))
}

// bounded cleans a text and cuts it to at most n bytes.
func bounded(message string, n int) string { return text.Cut(text.Clean(message), n) }

// word reduces a reason or an action to what the API server accepts: letters and digits, and not empty.
func word(s string) string {
	s = strings.TrimLeft(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		default:
			return -1
		}
	}, s), "0123456789")
	if s == "" {
		return otherWord
	}
	return s[:min(len(s), maxWord)]
}
