//go:build linux

package dispatch_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
	"github.com/mantledeploy/mantle/api/v1alpha1"
	"github.com/mantledeploy/mantle/controllers/internal/dispatch"
	"github.com/mantledeploy/mantle/controllers/internal/session"
)

// BenchmarkStep measures one script step (`true` in Bash) on each of 1, 50 and 500 real Tentacles at once: cold, with new
// connections, and warm, with pooled ones. Beside it are two floors of the same run: starting Bash as often, and the same
// with as many file syncs as a step needs to be durable. One operation is a step on every machine; the metrics are for one
// machine. The Tentacles are one other process, so that CPU and memory of the operator's side are its own.
func BenchmarkStep(b *testing.B) {
	program := os.Getenv("MANTLE_TENTACLE")
	if program == "" {
		b.Skip("MANTLE_TENTACLE names no tentacle program; run `make bench`")
	}
	for _, n := range []int{1, 50, 500} {
		b.Run(fmt.Sprintf("floor=exec/machines=%d", n), func(b *testing.B) { floor(b, n, 0) })
		b.Run(fmt.Sprintf("floor=exec+sync/machines=%d", n), func(b *testing.B) { floor(b, n, syncsOfAStep) })
		machines := serveMany(b, n, program)
		b.Run(fmt.Sprintf("cold/machines=%d", n), func(b *testing.B) { measure(b, machines, false) })
		b.Run(fmt.Sprintf("warm/machines=%d", n), func(b *testing.B) { measure(b, machines, true) })
	}
}

// syncsOfAStep is how many files and folders a step has to sync: what it is, where that is, and that it was asked for.
const syncsOfAStep = 3

// inParallel runs f n times on a few goroutines for each CPU, as a machine would be kept busy by many.
func inParallel(n int, f func(i int)) {
	var done sync.WaitGroup
	next := make(chan int)
	for range min(n, 16) {
		done.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	done.Wait()
}

func floor(b *testing.B, n, syncs int) {
	dir := b.TempDir()
	for b.Loop() {
		inParallel(n, func(i int) {
			for s := range syncs {
				file, err := os.Create(filepath.Join(dir, fmt.Sprintf("%d-%d", i, s)))
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = file.WriteString(strings.Repeat("x", 512))
				_ = file.Sync()
				_ = file.Close()
			}
			if err := exec.CommandContext(b.Context(), "bash", "-c", "true").Run(); err != nil {
				b.Error(err)
			}
		})
	}
	b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N*n), "ms/machine")
}

// serveMany starts n Tentacles in one process of their own.
func serveMany(b *testing.B, n int, program string) []session.Machine {
	b.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		b.Fatal(err)
	}
	many := filepath.Join(b.TempDir(), "many")
	build := exec.CommandContext(b.Context(), "go", "build", "-o", many, "./agent/internal/many")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("building: %v\n%s", err, out)
	}
	certificate, operator := tentacletest.NewCertificate(b, "operator")
	cmd := exec.CommandContext(b.Context(), many, "-count", strconv.Itoa(n), "-operator", string(operator), "-dir", b.TempDir(), "-program", program)
	stdin, _ := cmd.StdinPipe()
	stdout, _ := cmd.StdoutPipe()
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	machines := make([]session.Machine, n)
	lines := bufio.NewScanner(stdout)
	for i := range machines {
		var at struct{ Address, Thumbprint string }
		if !lines.Scan() || json.Unmarshal(lines.Bytes(), &at) != nil {
			b.Fatalf("%d of %d Tentacles came up", i, n)
		}
		machines[i] = session.Machine{Namespace: "bench", Name: strconv.Itoa(i), UID: types.UID(strconv.Itoa(i)), Address: at.Address, Thumbprint: halibut.Thumbprint(at.Thumbprint),
			Identity: &session.Identity{Certificate: certificate, Thumbprint: operator}, ConnectTimeout: 30 * time.Second, RetryDuration: time.Minute}
	}
	go func() { _, _ = io.Copy(io.Discard, stdout) }()
	return machines
}

func measure(b *testing.B, machines []session.Machine, warm bool) {
	pool := newBenchPool(b, warm)
	defer func() { pool.Close() }()
	round := 0
	if warm {
		once(b, pool, machines, round)
	}
	before := cpu()
	for b.Loop() {
		round++
		if !warm {
			b.StopTimer()
			pool.Close()
			pool = newBenchPool(b, false)
			b.StartTimer()
		}
		once(b, pool, machines, round)
	}
	steps := float64(b.N * len(machines))
	b.ReportMetric(b.Elapsed().Seconds()*1000/steps, "ms/machine")
	b.ReportMetric((cpu()-before).Seconds()*1000/steps, "operator-cpu-ms/machine")
	b.ReportMetric(rss(), "operator-RSS-MB")
}

func newBenchPool(b *testing.B, warm bool) *pool {
	return newPool(b, defaults, func(s *session.Config, _ *dispatch.Config) {
		if warm {
			s.Linger = time.Minute
		}
	})
}

// once runs one step on every machine and completes it.
func once(b *testing.B, p *pool, machines []session.Machine, round int) {
	run := halibut.NewGUID().String()
	tickets := make([]string, len(machines))
	for i, m := range machines {
		tickets[i] = step.Ticket(run, "install", string(m.UID), round)
		p.Dispatch(runAction(machine{Machine: m}, tickets[i]))
	}
	for i, ticket := range tickets {
		for {
			if r, _ := p.Report(ticket); r.Ended() {
				if r.Phase != v1alpha1.StepSucceeded {
					b.Fatalf("machine %d: %s %s", i, r.Phase, r.Message)
				}
				break
			}
			time.Sleep(200 * time.Microsecond)
		}
		p.Acknowledge(uid, machines[i], ticket)
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func rss() float64 {
	content, _ := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(content))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.Atoi(fields[1])
	return float64(pages*os.Getpagesize()) / (1 << 20)
}
