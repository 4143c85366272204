//go:build unix

package scripts

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/process"
	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// holdMain holds the claims of all tickets of a home whose name begins with run, as their supervisors would, until
// its input ends.
func holdMain(home string) int {
	claims, _ := filepath.Glob(filepath.Join(home, ".tentacle", "tickets", "run*", process.ClaimFile))
	var held []*os.File
	for _, claim := range claims {
		file, err := os.OpenFile(claim, os.O_RDWR, 0) // #nosec G304 -- a file of the test
		if err == nil {
			err = syscall.FcntlFlock(file.Fd(), syscall.F_SETLK, &syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart})
		}
		if err != nil {
			fmt.Println("failed:", err)
			return 1
		}
		held = append(held, file)
	}
	fmt.Println("holds", len(held))
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// ticketFiles writes the journal of a ticket, as an earlier daemon and its supervisor left it.
func (r *rig) ticketFiles(id string, files map[string]string) {
	r.t.Helper()
	dir := r.inHome(".tentacle", "tickets", id)
	if err := os.Mkdir(dir, 0o700); err != nil {
		r.t.Fatal(err)
	}
	files[process.CommandFile] = fmt.Sprintf(`{"version":1,"ticket":%q,"operator":%q,"arrived":"2026-01-02T03:04:05Z","mutex":"RunningScript","process":{"path":"/bin/bash","dir":"/"}}`, id, operator)
	files[process.ClaimFile] = ""
	files[process.StartedFile] = `{"version":1,"process":4000000,"startTime":"1"}`
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
}

// holder starts a process that holds what runs, and waits until it does.
func (r *rig) holder() {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), os.Args[0], "hold", r.cfg.Home) // #nosec G204 -- this test itself
	out, err := cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	said := make([]byte, 100)
	n, _ := out.Read(said)
	if !strings.HasPrefix(string(said[:n]), "holds ") {
		r.t.Fatalf("it says %q", said[:n])
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func cpu(t testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestThousandsOfTicketsAreTakenUpByANewDaemon measures what a start costs that finds 5,000 finished tickets that
// nobody completed, and 500 that run.
func TestThousandsOfTicketsAreTakenUpByANewDaemon(t *testing.T) {
	const ended, live, watching = 5000, 500, 2 * time.Second
	r := newRig(t)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	for i := range ended {
		r.ticketFiles(fmt.Sprint("end", i), map[string]string{process.ResultFile: `{"version":1,"exitCode":3,"ended":"2999-01-01T00:00:00Z"}`})
	}
	for i := range live {
		r.ticketFiles(fmt.Sprint("run", i), map[string]string{})
	}
	r.holder()
	before, begin := heap(), time.Now()
	r.open()
	took, grown := time.Since(begin), heap()-before
	if got := r.status("end4711", 0); got.State != tentacle.Complete || got.ExitCode != 3 {
		t.Errorf("a finished one: %+v", got)
	}
	if got := r.status("run411", 0); got.State != tentacle.Running {
		t.Errorf("a running one: %+v", got)
	}
	used := cpu(t)
	time.Sleep(watching) // this is what is measured
	used = cpu(t) - used
	t.Logf("%d finished and %d running tickets: ready after %s, with %d KiB (%d bytes each); watching takes %.1f%% of a CPU",
		ended, live, took.Round(time.Millisecond), grown>>10, grown/(ended+live), 100*used.Seconds()/watching.Seconds())
	if took > 2*time.Minute || grown > 50<<20 {
		t.Errorf("ready after %s with %d KiB more", took, grown>>10)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r.known = nil // nothing to end
}

// TestManyWaitAtOnceAndAreFreed has 300 waits for one ticket: those whose caller goes are freed at once, the others
// all learn of the end.
func TestManyWaitAtOnceAndAreFreed(t *testing.T) {
	const waits = 300
	r := newRig(t)
	r.start(script("a", r.gate("a")+"; exit 4"))
	r.began("a")
	until(t, "Running", func() bool { return r.status("a", 0).State == tentacle.Running })
	before := runtime.NumGoroutine()
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	var gone, stay sync.WaitGroup
	ends := make(chan tentacle.ScriptStatusResponseV2, waits)
	for i := range waits {
		wait := func(ctx context.Context) (tentacle.ScriptStatusResponseV2, error) {
			return r.WaitForStatus(ctx, operator, tentacle.WaitForStatusCommandV1{Ticket: tentacle.ScriptTicket{TaskID: "a"}, MaxWait: halibut.TimeSpan(time.Hour)})
		}
		if i%2 == 0 {
			gone.Go(func() {
				if _, err := wait(ctx); err == nil {
					t.Error("a caller that went is answered")
				}
			})
			continue
		}
		stay.Go(func() {
			got, err := wait(context.Background())
			if err != nil {
				t.Error(err)
			}
			ends <- got
		})
	}
	until(t, "all wait", func() bool { return runtime.NumGoroutine() >= before+waits })
	leave()
	gone.Wait()
	r.letGo("a")
	stay.Wait()
	close(ends)
	for got := range ends {
		if got.State != tentacle.Complete || got.ExitCode != 4 {
			t.Fatalf("one is told %+v", got)
		}
	}
	until(t, "nobody waits any more", func() bool { return runtime.NumGoroutine() <= before })
}
