package scripts

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What one `run` step costs: how many programs are executed, and how many syncs are waited for before the start is answered. From
// then on until it is completed there is none; the tombstone is synced afterwards, with those of others.
const (
	mostExecs       = 2 // supervisor and interpreter
	mostSyncsBefore = 3 // the ticket file, its folder, the line of the audit log
)

func TestWhatAStepCosts(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed, so nobody counts execs and syncs")
	}
	if out, err := exec.CommandContext(t.Context(), strace, "-f", "-o", os.DevNull, "true").CombinedOutput(); err != nil {
		t.Skipf("strace may not trace here: %s", out)
	}
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := exec.CommandContext(t.Context(), strace, "-f", "-qq", "-o", trace, "-e", "trace=execve,fsync,fdatasync,sync,syncfs,sync_file_range,write", "-e", "signal=none", "-s", "16", os.Args[0], "step-daemon", home)
	in, said := startDaemon(t, cmd)
	if _, err := io.WriteString(in, "a\n"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"answered", "ended 0", "completed"} {
		if !said.Scan() || said.Text() != want {
			t.Fatalf("the daemon said %q", said.Text())
		}
	}
	_ = in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	before, after := counted(t, trace)
	t.Logf("before the answer %v, after it %v", before, after)
	if execs := before["execve"] + after["execve"]; execs > mostExecs {
		t.Errorf("%d programs are executed, at most %d should be", execs, mostExecs)
	}
	if before["sync"] > mostSyncsBefore || after["sync"] > 0 {
		t.Errorf("%d syncs before the answer and %d from there to the completion, at most %d and none should be", before["sync"], after["sync"], mostSyncsBefore)
	}
}

// counted counts the calls between the daemon's "ready" and "completed", before and after its "answered".
func counted(t *testing.T, trace string) (before, after map[string]int) {
	t.Helper()
	data, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	before, after = map[string]int{}, map[string]int{}
	call := regexp.MustCompile(`^\d+ +(execve|f?(?:data)?sync(?:fs|_file_range)?)\(`)
	var in map[string]int
	for line := range strings.Lines(string(data)) {
		switch {
		case strings.Contains(line, `write(1, "ready`):
			in = before
		case strings.Contains(line, `write(1, "answered`):
			in = after
		case strings.Contains(line, `write(1, "completed`):
			return before, after
		}
		if m := call.FindStringSubmatch(line); m != nil && in != nil {
			if m[1] != "execve" {
				m[1] = "sync"
			}
			in[m[1]]++
		}
	}
	t.Fatalf("the trace does not come to the end:\n%s", data)
	return nil, nil
}
