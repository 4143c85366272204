package scripts

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/mantledeploy/mantle/api/tentacle"
)

// What a script prints on one stream and then on the other is told in this order, and a step's too.
func TestTheLinesOfTwoStreamsAreToldInTheirOrder(t *testing.T) {
	const pairs = 12
	for name, command := range map[string]func(*rig, string) tentacle.StartScriptCommandV2{
		"script": func(_ *rig, body string) tentacle.StartScriptCommandV2 { return script("a", body) },
		"step":   func(r *rig, body string) tentacle.StartScriptCommandV2 { return bashStep(r.t, "a", body, "hunter2") },
	} {
		t.Run(name, func(t *testing.T) {
			r := stepRig(t)
			goOn := r.inHome("go")
			r.start(command(r, fmt.Sprintf(`for i in {1..%d}; do
if ((i %% 2)); then echo "first $i"; echo "second $i" >&2; else echo "first $i" >&2; echo "second $i"; fi
until [ -e "%s-$i" ]; do read -rt 0.01 <> <(:); done
done`, pairs, goOn)))
			var want []string
			for i := 1; i <= pairs; i++ {
				want = append(want, fmt.Sprint("first ", i), fmt.Sprint("second ", i))
				until(t, "both lines are there", func() bool {
					return strings.Count(lines(told(r.status("a", 0)).Logs), fmt.Sprintf(" %d\n", i)) == 2
				})
				if err := os.WriteFile(fmt.Sprint(goOn, "-", i), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var got []string
			for _, l := range told(r.await("a", 0)).Logs {
				got = append(got, l.Text)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%q", got)
			}
		})
	}
}
