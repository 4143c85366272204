//go:build linux

package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
)

// memory returns a figure of /proc/PID/status in KiB: VmHWM is the most that a process ever had in memory.
func memory(t testing.TB, pid int, figure string) int {
	t.Helper()
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), figure+":")
	kib := 0
	if _, err := fmt.Sscanf(rest, "%d kB", &kib); err != nil {
		t.Fatalf("%s of process %d: %v", figure, pid, err)
	}
	return kib
}

// diskUse is what the files below a folder take, in bytes.
func diskUse(t *testing.T, dir string) (sum int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				sum += info.Size()
			}
		}
		return nil // files come and go
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// gathered is what an operator keeps of a script's output that is too large to keep.
type gathered struct {
	last           tentacle.ScriptStatusResponseV2
	entries, bytes int
	missing        []string // what is said in the place of output that is not kept
	longest        int
	disk           int64 // the most that the ticket's folder took
	supervisor     int   // the most memory of the supervisor, in KiB
}

// extreme runs a script whose last command waits until it is let go, so that its supervisor can be looked at.
func extreme(t *testing.T, m *mortal, id, body string, check func(line string)) (g gathered) {
	t.Helper()
	goOn := filepath.Join(m.home, "go-"+id)
	startScript(t, m.client, id, body+fmt.Sprintf("\necho printed >&2; until [ -e %q ]; do sleep 0.05; done; exit 5", goOn))
	folder := filepath.Join(m.home, ".tentacle", "tickets", id)
	deadline := time.Now().Add(4 * time.Minute)
	for after := int64(0); g.last.State != tentacle.Complete; after = g.last.NextLogSequence {
		ctx, cancel := context.WithDeadline(t.Context(), deadline)
		var err error
		g.last, err = m.client.WaitForStatus(ctx, tentacle.WaitForStatusCommandV1{Ticket: ticket(id), LastLogSequence: after, MaxWait: halibut.TimeSpan(5 * time.Second)})
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		g.disk = max(g.disk, diskUse(t, folder))
		for _, l := range g.last.Logs {
			switch {
			case l.Source == tentacle.StdErr && l.Text == "printed":
				for _, pid := range m.supervisors() {
					g.supervisor = memory(t, pid, "VmHWM")
				}
				if err := os.WriteFile(goOn, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			case l.Source == tentacle.StdErr:
				g.missing = append(g.missing, l.Text)
			case l.Source == tentacle.Debug: // how it ended
			default:
				g.entries++
				g.bytes += len(l.Text)
				g.longest = max(g.longest, len(l.Text))
				check(l.Text)
			}
		}
	}
	if g.last.ExitCode != 5 {
		t.Errorf("exit code %d", g.last.ExitCode)
	}
	t.Logf("%s: %d entries and %d bytes of output, at most %d MB on disk; the supervisor had at most %d MiB in memory, the daemon %d MiB; %q",
		id, g.entries, g.bytes, g.disk>>20, g.supervisor>>10, memory(t, m.daemon.cmd.Process.Pid, "VmHWM")>>10, g.missing)
	return g
}

// TestOutputBeyondAllMeasureIsBounded prints a gigabyte, and a line of 100 MB. What is kept on disk and held in memory
// does not grow with it, and the operator is told what was cut.
func TestOutputBeyondAllMeasureIsBounded(t *testing.T) {
	const kept, memoryBound = 60 << 20, 256 << 10 // disk in bytes, memory in KiB with room for the race detector
	m := newMortal(t)
	tests := map[string]struct {
		body    string
		entries int64
		longest int
	}{
		"gigabyte": {`yes "$(printf 'x%.0s' {1..1999})" | head -c 1000000000`, 500_002, 1999},
		"line":     {`head -c 100000000 /dev/zero | tr '\0' x; echo`, 26, 4 << 20},
	}
	for id, test := range tests {
		t.Run(id, func(t *testing.T) {
			g := extreme(t, m, id, test.body, func(line string) {
				if strings.Trim(line, "x") != "" {
					t.Fatalf("a line of %.100q", line)
				}
			})
			if g.last.NextLogSequence != test.entries || g.longest != test.longest {
				t.Errorf("%d entries, the longest of %d bytes; want %d and %d", g.last.NextLogSequence, g.longest, test.entries, test.longest)
			}
			if g.disk > kept || g.supervisor == 0 || g.supervisor > memoryBound {
				t.Errorf("%d bytes on disk, and %d KiB in the supervisor's memory", g.disk, g.supervisor)
			}
			if got := memory(t, m.daemon.cmd.Process.Pid, "VmHWM"); got > memoryBound {
				t.Errorf("%d KiB in the daemon's memory", got)
			}
			late, err := m.client.GetStatus(t.Context(), tentacle.ScriptStatusRequestV2{Ticket: ticket(id), LastLogSequence: test.entries - 2})
			if err != nil || len(late.Logs) != 2 || late.State != tentacle.Complete {
				t.Errorf("the last two entries: %+v, %v", late, err)
			}
		})
	}
}

// TestBytesThatAreNoTextAreReplacedNotDropped follows NULs and what is not UTF-8 from the script to the operator.
func TestBytesThatAreNoTextAreReplacedNotDropped(t *testing.T) {
	a, first := tentacletest.NewCertificate(t, "operator")
	home := filepath.Join(t.TempDir(), "home")
	c := operator(t, daemon(t, home, first), a)
	startScript(t, c, "bytes", `printf 'a\0b\n\xff\xfe\n\xe2\x82\n\xed\xa0\x80\n\xc3\xa4\xf0\x9f\x98\x80\n\x1b[1m\x07\n\0'; head -c 100000 /dev/urandom | tr -d '\n\r' >&2; exit 3`)
	code, out := finish(t, c, "bytes")
	want := "a\x00b\n\ufffd\ufffd\n\ufffd\n\ufffd\ufffd\ufffd\n\u00e4\U0001f600\n\x1b[1m\x07\n\x00"
	if code != 3 || out != want {
		t.Errorf("%d, %q; want 3, %q", code, out, want)
	}
	r, err := c.GetStatus(t.Context(), tentacle.ScriptStatusRequestV2{Ticket: ticket("bytes")})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range r.Logs {
		if !utf8.ValidString(l.Text) {
			t.Errorf("%.100q is no text", l.Text)
		}
	}
}
