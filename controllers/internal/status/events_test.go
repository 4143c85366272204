package status

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/recorder"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

type told struct{ reason, action, note string }

func (r *told) Eventf(regarding, related runtime.Object, kind, reason, action, note string, args ...any) {
	r.AnnotatedEventf(regarding, related, nil, kind, reason, action, note, args...)
}

func (r *told) AnnotatedEventf(_, _ runtime.Object, _ map[string]string, _, reason, action, note string, args ...any) {
	*r = told{reason, action, fmt.Sprintf(note, args...)}
}

type recording struct {
	ctrl.Manager
	told *told
}

func (m recording) GetEventRecorder(string) recorder.EventRecorder { return m.told }

// The API server refuses an event whose note has more than 1,024 bytes, or whose reason or action has more than 128.
func TestEventsFitTheAPI(t *testing.T) {
	seen := &told{}
	r := WithEvents(recording{told: seen}).GetEventRecorder("mantle")
	for _, c := range []struct{ reason, action, note, want string }{
		{"HealthScriptFailed", "HealthCheck", "the health script ended with exit code 1: " + strings.Repeat("漢", 500), "the health script ended with exit code 1: "},
		{strings.Repeat("A", 300), strings.Repeat("B", 300), "100%s of \x1b[31mred\x00", "100%s of red"},
		{"", "", "", ""},
		{"4 words, no \x1b", "Health Check", "fine", "fine"},
	} {
		r.Eventf(&v1alpha1.DeploymentTarget{}, nil, "Warning", c.reason, c.action, "%s", c.note)
		if !strings.HasPrefix(seen.note, c.want) || len(seen.note) > 1024 || !utf8.ValidString(seen.note) {
			t.Errorf("note of %d bytes: %q", len(seen.note), seen.note)
		}
		for _, word := range []string{seen.reason, seen.action} {
			if word == "" || len(word) > 128 || strings.ContainsAny(word, "\x1b ,") {
				t.Errorf("word %q", word)
			}
		}
	}
	r.Eventf(&v1alpha1.DeploymentTarget{}, nil, "Normal", "Resolved", "Resolve", "%d of %d", 2, 3)
	if *seen != (told{"Resolved", "Resolve", "2 of 3"}) {
		t.Errorf("an event that fits was changed: %+v", seen)
	}
}

func TestWhatAMachinePrintsDoesNotBreakTheStatus(t *testing.T) {
	var list []metav1.Condition
	c := Conditions{List: &list, Generation: 1}
	c.Stalled("1 bad\x1breason", "caf\u00c2\u0080 failed\x1b[0m\xff")
	ready := meta.FindStatusCondition(list, v1alpha1.ConditionReady)
	if ready.Message != "caf\u00c2 failed" || ready.Reason != "badreason" {
		t.Errorf("%q: %q", ready.Reason, ready.Message)
	}
	c.Ready("Valid", strings.Repeat("漢", MaxMessage))
	if ready := meta.FindStatusCondition(list, v1alpha1.ConditionReady); len(ready.Message) > MaxMessage || !utf8.ValidString(ready.Message) {
		t.Errorf("a message was cut in the middle of a character, or not at all (%d bytes)", len(ready.Message))
	}
}
