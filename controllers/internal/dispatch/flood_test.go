package dispatch_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/step"
	wire "github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/logs"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// A machine may answer with more than is kept of it: the log says where it was cut, the result is the step's, and little of
// the answer is in memory at any time.
func TestAnAnswerThatIsLargerThanItsLogTakesLittleMemory(t *testing.T) {
	const lines, length = 20_000, 4_000
	own, operator := tentacletest.NewCertificate(t, "operator")
	at := tentacletest.StartFlood(t, tentacletest.Flood{Facts: wire.Facts{Version: "test", OS: "linux", Arch: "amd64", Engine: step.Version},
		Line: strings.Repeat("x", length), Script: func(s tentacletest.FloodScript) (int, []string) {
			last, _ := step.FormatResult(step.Nonce(s.Ticket), step.Result{ExitCode: 3, Reason: step.ReasonExitCode})
			return lines, []string{last}
		}})
	m := machine{Machine: session.Machine{Namespace: "shop", Name: "web-1", UID: "uid", Address: at.Address, Thumbprint: at.Thumbprint,
		Identity: &session.Identity{Namespace: "shop", Certificate: own, Thumbprint: operator}, ConnectTimeout: 5 * time.Second, RetryDuration: 10 * time.Second}}
	dir := t.TempDir()
	store, err := logs.Open(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	a := runAction(m, "t1")
	a.Timeout, a.Log = time.Hour, store.Sink("shop", "run", "web-1", "install", 1)
	p := newPool(t)
	before, now, most := memory(), uint64(0), uint64(0)
	p.Dispatch(a)
	eventually(t, "it ends", func() bool {
		now = memory()
		most = max(most, now)
		r, known := p.Report("t1")
		return known && r.Ended()
	})
	if r, _ := p.Report("t1"); r.Phase != v1alpha1.StepFailed || r.ExitCode == nil || *r.ExitCode != 3 {
		t.Errorf("%s (%s: %s) with %v", r.Phase, r.Reason, r.Message, r.ExitCode)
	}
	if limit := before + 100<<20; most > limit {
		t.Errorf("%d MiB are in memory", most>>20)
	}
	log, err := os.ReadFile(filepath.Join(dir, "shop", "run", "web-1", "install.1.log"))
	if err != nil || len(log) > 65<<20 || !strings.HasSuffix(strings.TrimSpace(string(log)), "larger than 64 MiB") {
		t.Errorf("the log has %d bytes, %v", len(log), err)
	}
}

// memory returns how much memory this process has from the system.
func memory() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.Sys
}
