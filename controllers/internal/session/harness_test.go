package session_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	wire "github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// machine is a fake Tentacle and how to reach it.
type machine struct {
	*tentacletest.Fake
	session.Machine
}

func newMachine(t *testing.T, change ...func(*tentacletest.Options)) machine {
	t.Helper()
	certificate, operator := tentacletest.NewCertificate(t, "operator")
	o := tentacletest.Options{Trusted: []halibut.Thumbprint{operator}, Script: engine(step.Inventory{OS: "linux", Arch: "amd64"}, step.Result{}),
		Facts: wire.Facts{Version: "test", OS: "linux", Arch: "amd64", Engine: step.Version}}
	for _, c := range change {
		c(&o)
	}
	fake := tentacletest.StartFake(t, o)
	return machine{fake, session.Machine{Namespace: "shop", Name: "web-1", UID: "uid", Address: fake.Endpoint().Address, Thumbprint: fake.Endpoint().Thumbprint,
		Identity: &session.Identity{Namespace: "shop", Certificate: certificate, Thumbprint: operator}, ConnectTimeout: 5 * time.Second, RetryDuration: 10 * time.Second}}
}

func newPool(t *testing.T, config session.Config) *session.Pool {
	t.Helper()
	p := session.NewPool(config)
	t.Cleanup(p.Close)
	return p
}

// engine is a script that answers as the engine does.
func engine(inventory step.Inventory, result step.Result) tentacletest.Script {
	return func(_ context.Context, e *tentacletest.Execution) int32 {
		var p step.Plan
		if err := json.Unmarshal(e.Files[step.PlanFile], &p); err != nil {
			return 99
		}
		if p.Kind == step.KindInventory {
			rows, _ := step.FormatInventory(p.Nonce, inventory)
			for _, row := range rows {
				e.Print(wire.StdOut, row)
			}
		}
		last, _ := step.FormatResult(p.Nonce, result)
		e.Print(wire.StdOut, last)
		return int32(result.ExitCode)
	}
}

func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !check(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}
