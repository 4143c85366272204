package session_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mantledeploy/mantle/api/step"
	wire "github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
	"github.com/mantledeploy/mantle/controllers/internal/session"
	"github.com/mantledeploy/mantle/controllers/internal/text"
)

const escape = "\x1b[2J\x07\u009b31m\ufeff"

// What a machine says of itself can be shown: lists are short, texts hold nothing that a terminal acts on.
func TestWhatAMachineOffersCanBeShown(t *testing.T) {
	m := newMachine(t, func(o *tentacletest.Options) {
		o.Facts.Version, o.Facts.OS, o.Facts.Arch = "1.0\u0085evil"+strings.Repeat("x", 100), "lin\u009bux", "amd64"
		o.Facts.Policy, o.Also = "\u0085enforced", []string{"bad\u0085service", strings.Repeat("y", 201)}
		for i := range 1000 {
			o.Also = append(o.Also, fmt.Sprint("junk", i))
		}
	})
	probe, err := newPool(t, session.Config{}).Probe(t.Context(), m.Machine)
	if err != nil {
		t.Fatal(err)
	}
	if len(probe.Capabilities) > 64 || !probe.Facts.Has(wire.ScriptServiceV2Name) {
		t.Errorf("%d capabilities: %q", len(probe.Capabilities), probe.Capabilities)
	}
	for _, said := range append(probe.Capabilities, probe.Facts.Version, probe.Facts.OS, string(probe.Facts.Policy)) {
		if len(said) > 215 || text.Clean(said) != said {
			t.Errorf("%q is shown", said)
		}
	}
}

func TestRowsThatCannotBeShownAreLeftOut(t *testing.T) {
	row := step.Installed{Namespace: "shop", Environment: "production", Project: "web", Release: "1.0.0", Phase: step.Succeeded}
	odd := row
	odd.Release = escape
	m := newMachine(t, func(o *tentacletest.Options) {
		o.Script = engine(step.Inventory{OS: "linux", Arch: "amd64", Installed: []step.Installed{odd, row}}, step.Result{})
	})
	inventory, err := newPool(t, session.Config{}).Inventory(t.Context(), m.Machine)
	if err != nil || len(inventory.Installed) != 1 || inventory.Installed[0].Release != "1.0.0" {
		t.Errorf("%+v, %v", inventory, err)
	}
}

func TestHowAHealthStepEnds(t *testing.T) {
	plain := func(code int32, said string) tentacletest.Script {
		return func(_ context.Context, e *tentacletest.Execution) int32 { e.Print(wire.StdErr, said); return code }
	}
	three := int32(3)
	for name, tt := range map[string]struct {
		script tentacletest.Script
		want   session.StepResult
	}{
		"well":                  {engine(step.Inventory{}, step.Result{}), session.StepResult{Succeeded: true, ExitCode: new(int32)}},
		"badly":                 {engine(step.Inventory{}, step.Result{ExitCode: 3, Reason: step.ReasonUnhealthy, Tail: "no" + escape}), session.StepResult{Reason: "Unhealthy", Message: "no31m", ExitCode: &three}},
		"refused":               {plain(wire.ExitRefused, "not here"), session.StepResult{Reason: "Refused", Message: "not here"}},
		"refused by the policy": {plain(wire.ExitRefused, wire.RefusedByPolicy("hours", "not now")), session.StepResult{Reason: "RefusedByPolicy", Message: "rule hours of the machine's policy: not now"}},
		"without a result":      {plain(0, ""), session.StepResult{Reason: "EngineFailed", Message: "the Tentacle ended it with code 0: "}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, func(o *tentacletest.Options) { o.Script = tt.script })
			got, err := newPool(t, session.Config{}).RunStep(t.Context(), m.Machine, step.Plan{Kind: step.KindHealth, TimeoutSeconds: 30, Health: &step.Health{Bash: "true"}})
			if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}
