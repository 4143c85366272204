//go:build unix

package scripts

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// BenchmarkScript is one script from its start to its completion, with one file beside it as a step has.
func BenchmarkScript(b *testing.B) {
	r := newRig(b)
	ctx := context.Background()
	for i := 0; b.Loop(); i++ {
		cmd := script(fmt.Sprint("bench", i), "true")
		cmd.Files = []tentacle.ScriptFile{{Name: "plan.json", Contents: halibut.NewDataStreamBytes([]byte("{}"))}}
		r.start(cmd)
		got, err := r.WaitForStatus(ctx, operator, tentacle.WaitForStatusCommandV1{Ticket: cmd.ScriptTicket, MaxWait: halibut.TimeSpan(time.Minute)})
		for err == nil && got.State != tentacle.Complete {
			got, err = r.WaitForStatus(ctx, operator, tentacle.WaitForStatusCommandV1{Ticket: cmd.ScriptTicket, MaxWait: halibut.TimeSpan(time.Minute)})
		}
		if err != nil || got.ExitCode != 0 {
			b.Fatalf("%+v, %v", got, err)
		}
		r.completeScript(cmd.ScriptTicket.TaskID)
	}
}

func bash(b *testing.B) {
	if err := exec.Command("/bin/bash", "-c", "true").Run(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkFloorForkExec is what bash itself costs.
func BenchmarkFloorForkExec(b *testing.B) {
	for b.Loop() {
		bash(b)
	}
}

// BenchmarkFloorForkExecTwice is what bash costs when it has a supervisor of the smallest kind.
func BenchmarkFloorForkExecTwice(b *testing.B) {
	for b.Loop() {
		bash(b)
		bash(b)
	}
}

// BenchmarkFloorForkExecAndSyncs is bash with the syncs that BenchmarkScript needs: two files and their
// folders together, the command, the claim, the tombstone.
func BenchmarkFloorForkExecAndSyncs(b *testing.B) {
	root := b.TempDir()
	for i := 0; b.Loop(); i++ {
		dir := filepath.Join(root, fmt.Sprint(i))
		if err := os.Mkdir(dir, 0o700); err != nil {
			b.Fatal(err)
		}
		files := &batch{}
		files.dir(root)
		files.dir(dir)
		for _, name := range []string{"script", "plan", "claim"} {
			if err := files.file(filepath.Join(dir, name), 0o600, strings.NewReader("true")); err != nil {
				b.Fatal(err)
			}
		}
		if err := files.sync(); err != nil {
			b.Fatal(err)
		}
		for _, name := range []string{"command", "started", "tombstone"} {
			if err := process.WriteState(dir, name, name, true); err != nil {
				b.Fatal(err)
			}
		}
		bash(b)
		if err := os.RemoveAll(dir); err != nil {
			b.Fatal(err)
		}
	}
}
