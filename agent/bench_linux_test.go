package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
)

// benched is a daemon of the program as it is shipped, whose cost is measured.
type benched struct {
	home   string
	pid    int
	client *tentacle.Client
}

func bench(b *testing.B) *benched {
	b.Helper()
	home := filepath.Join(b.TempDir(), "home")
	certificate, thumbprint := tentacletest.NewCertificate(b, "operator")
	e := initialise(b, home, thumbprint)
	run := command(context.Background(), "run", "--home", home)
	if !shipped(run) {
		b.Skip(builtVariable + " names no tentacle program; run `make bench`")
	}
	p := launch(b, run, home+".log", e)
	return &benched{home: home, pid: p.cmd.Process.Pid, client: operator(b, e, certificate)}
}

// cpuTime is what a process has used of the CPUs, in milliseconds.
func cpuTime(b *testing.B, pid int) float64 {
	b.Helper()
	ticks, _ := spent(b, pid)
	return float64(ticks) * 10
}

// written is how many bytes a process has written to disks.
func written(b testing.TB, pid int) int64 {
	b.Helper()
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "io"))
	if err != nil {
		b.Fatal(err)
	}
	var n int64
	_, rest, _ := strings.Cut(string(data), "\nwrite_bytes:")
	if _, err := fmt.Sscan(rest, &n); err != nil {
		b.Fatal(err)
	}
	return n
}

func megabytes(b *testing.B, pid int) float64 {
	b.Helper()
	return float64(memory(b, pid, "VmHWM")) / 1024
}

// child is the process that a daemon started and that lives.
func child(b *testing.B, of int) int {
	b.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		b.Fatal(err)
	}
	for _, file := range all {
		data, err := os.ReadFile(file) // #nosec G304 -- of /proc
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
		if fields[0] == "Z" || fields[1] != strconv.Itoa(of) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			return pid
		}
	}
	b.Fatal("the daemon has no supervisor")
	return 0
}

// outputs are what scripts print: their commands, and how many bytes those make.
func outputs() map[string]string {
	return map[string]string{
		"2000-lines-a-second": `exec 9<> <(:); begun=${EPOCHREALTIME/[.,]/}; n=0
while ((n < 20000)); do
	due=$(((${EPOCHREALTIME/[.,]/} - begun) / 500)); ((due <= 20000)) || due=20000
	while ((n < due)); do echo "$n: one of many lines, as long as lines of a log are, eighty or a hundred characters"; n=$((n+1)); done
	read -rt 0.01 -u 9
done`,
		"500MB": `yes "$(printf 'x%.0s' {1..99})" | head -c 500000000`,
	}
}

// BenchmarkOutput follows a script and a step that print much: 2,000 lines a second for ten seconds, and 500 MB in lines of 100
// bytes at once. It tells what daemon and supervisor use of CPU and memory from the start until all is with the operator.
func BenchmarkOutput(b *testing.B) {
	for name, body := range outputs() {
		for _, kind := range []string{"script", "step"} {
			b.Run(name+"/"+kind, func(b *testing.B) {
				m := bench(b)
				for n := 0; b.Loop(); n++ {
					m.print(b, fmt.Sprint(kind, n), kind == "step", body)
				}
			})
		}
	}
}

// print runs a command, which at its end waits until its supervisor was looked at.
func (m *benched) print(b *testing.B, id string, isStep bool, body string) {
	b.Helper()
	goOn := filepath.Join(m.home, "go-"+id)
	body += fmt.Sprintf("\necho printed >&2; until [ -e %q ]; do sleep 0.05; done", goOn)
	cmd := tentacle.StartScriptCommandV2{ScriptTicket: ticket(id), ScriptBody: body, TaskID: id}
	if isStep {
		p := runPlan(id, body)
		p.Run.Env = []step.EnvVar{{Name: "PASSWORD", Value: step.SecretRef(0)}}
		var err error
		if cmd, err = step.Command(p, []string{"correct horse battery"}); err != nil {
			b.Fatal(err)
		}
	}
	before := cpuTime(b, m.pid)
	if r, err := m.client.StartScript(b.Context(), cmd); err != nil || r.State == tentacle.Complete {
		b.Fatalf("%+v, %v", r, err)
	}
	for after, looked := int64(0), false; ; {
		r, err := m.client.WaitForStatus(b.Context(), tentacle.WaitForStatusCommandV1{Ticket: cmd.ScriptTicket, LastLogSequence: after, MaxWait: halibut.TimeSpan(20 * time.Second)})
		if err != nil {
			b.Fatal(err)
		}
		if after = r.NextLogSequence; r.State == tentacle.Complete {
			if r.ExitCode != 0 {
				b.Fatalf("exit code %d", r.ExitCode)
			}
			break
		}
		if last := len(r.Logs) - 1; !looked && last >= 0 && r.Logs[last].Text == "printed" {
			looked = true
			supervisor := child(b, m.pid)
			b.ReportMetric(cpuTime(b, supervisor), "supervisor-cpu-ms")
			b.ReportMetric(cpuTime(b, m.pid)-before, "daemon-cpu-ms")
			b.ReportMetric(megabytes(b, supervisor), "supervisor-RSS-MB")
			b.ReportMetric(megabytes(b, m.pid), "daemon-RSS-MB")
			if err := os.WriteFile(goOn, nil, 0o600); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := m.client.CompleteScript(b.Context(), tentacle.CompleteScriptCommandV2{Ticket: cmd.ScriptTicket}); err != nil {
		b.Fatal(err)
	}
}

// endless is a content of a length without being in memory.
type endless struct{ left int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), e.left))
	for i := range n {
		p[i] = byte(i * 131)
	}
	e.left -= int64(n)
	return n, nil
}

// BenchmarkUpload transfers a gigabyte to a machine. It tells how many bytes the daemon had written for each that was sent.
func BenchmarkUpload(b *testing.B) {
	const size = 1 << 30
	m := bench(b)
	b.SetBytes(size)
	disk, before := written(b, m.pid), cpuTime(b, m.pid)
	for b.Loop() {
		r, err := m.client.UploadFile(b.Context(), "Files/large", halibut.NewDataStream(size, func() (io.ReadCloser, error) {
			return io.NopCloser(&endless{size}), nil
		}))
		if err != nil || r.Length != size {
			b.Fatalf("%+v, %v", r, err)
		}
	}
	n := float64(b.N)
	b.ReportMetric(float64(written(b, m.pid)-disk)/(n*size), "written/byte")
	b.ReportMetric((cpuTime(b, m.pid)-before)/n, "daemon-cpu-ms/op")
	b.ReportMetric(megabytes(b, m.pid), "daemon-RSS-MB")
}
