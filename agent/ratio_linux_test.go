package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
)

// against measures something beside its floor, in turns, so that both meet the same machine: how long one takes on average, and
// by which factor ours is slower.
func against(b *testing.B, floor, ours func()) {
	b.Helper()
	var took [2]time.Duration
	floor()
	ours()
	for b.Loop() {
		for i, do := range []func(){floor, ours} {
			began := time.Now()
			do()
			took[i] += time.Since(began)
		}
	}
	n := float64(b.N)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(took[0].Microseconds())/n, "floor-µs")
	b.ReportMetric(float64(took[1].Microseconds())/n, "µs")
	b.ReportMetric(took[1].Seconds()/took[0].Seconds(), "ratio")
}

// peer is one end of a bare TLS connection on loopback; serve has the other, until it returns.
func peer(b *testing.B, serve func(net.Conn) error) *tls.Conn {
	b.Helper()
	certificate, _ := tentacletest.NewCertificate(b, "floor")
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13})
	must(b, err)
	b.Cleanup(func() { _ = l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		if err := serve(c); err != nil && !errors.Is(err, io.EOF) {
			b.Errorf("the bare peer: %v", err)
		}
	}()
	c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}) // #nosec G402 -- a floor
	must(b, err)
	b.Cleanup(func() { _ = c.Close() })
	return c
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkCallBesideEcho makes a call, and sends as many bytes to and fro over bare TLS.
func BenchmarkCallBesideEcho(b *testing.B) {
	m := bench(b)
	message := make([]byte, 600)
	c := peer(b, func(c net.Conn) error { _, err := io.Copy(c, c); return err })
	against(b, func() {
		_, err := c.Write(message)
		must(b, err)
		_, err = io.ReadFull(c, message)
		must(b, err)
	}, func() {
		_, err := m.client.GetCapabilities(b.Context())
		must(b, err)
	})
}

// BenchmarkStepBesideExec carries out a step that does nothing, and runs the same shell with the files that a step stores: plan,
// script and claim together, then its start and its end.
func BenchmarkStepBesideExec(b *testing.B) {
	m := bench(b)
	root, n := b.TempDir(), 0
	against(b, func() {
		n++
		dir := filepath.Join(root, fmt.Sprint(n))
		must(b, os.Mkdir(dir, 0o700))
		for _, name := range []string{"plan", "script", "claim"} {
			stored(b, filepath.Join(dir, name))
		}
		stored(b, dir)
		stored(b, filepath.Join(dir, "started"))
		must(b, exec.Command("/bin/bash", "-c", "true").Run())
		stored(b, filepath.Join(dir, "ended"))
	}, func() {
		n++
		cmd, err := step.Command(runPlan(fmt.Sprint("s", n), "true"), nil)
		must(b, err)
		m.done(b, cmd, func(tentacle.ProcessOutput) {})
	})
}

// stored makes a small file, or takes a folder, and syncs it.
func stored(b *testing.B, name string) {
	b.Helper()
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		if f, err = os.Create(name); err == nil {
			_, err = f.WriteString("true\n")
		}
	}
	must(b, err)
	must(b, f.Sync())
	must(b, f.Close())
}

// done carries out a script, and shows what it printed as it arrives, as the operator does.
func (m *benched) done(b *testing.B, cmd tentacle.StartScriptCommandV2, printed func(tentacle.ProcessOutput)) {
	b.Helper()
	client := m.client.Passing(func(line tentacle.ProcessOutput) error { printed(line); return nil }, 0)
	r, err := client.StartScript(b.Context(), cmd)
	for ; err == nil; r, err = client.WaitForStatus(b.Context(), tentacle.WaitForStatusCommandV1{
		Ticket: cmd.ScriptTicket, LastLogSequence: r.NextLogSequence, MaxWait: halibut.TimeSpan(20 * time.Second)}) {
		if r.State == tentacle.Complete {
			break
		}
	}
	must(b, err)
	if r.ExitCode != 0 {
		b.Fatalf("exit code %d", r.ExitCode)
	}
	must(b, m.client.CompleteScript(b.Context(), tentacle.CompleteScriptCommandV2{Ticket: cmd.ScriptTicket}))
}

// BenchmarkLinesBesideCat reads the lines of a file by a script on the machine, and by cat through a pipe.
func BenchmarkLinesBesideCat(b *testing.B) {
	const lines, line = 300_000, "one of many lines, as long as lines of a log often are"
	m := bench(b)
	file := filepath.Join(b.TempDir(), "lines")
	out, err := os.Create(file)
	must(b, err)
	w := bufio.NewWriter(out)
	for range lines {
		fmt.Fprintln(w, line)
	}
	must(b, errors.Join(w.Flush(), out.Close()))
	n := 0
	var took time.Duration
	against(b, func() {
		cat := exec.Command("cat", file)
		pipe, err := cat.StdoutPipe()
		must(b, err)
		must(b, cat.Start())
		count := 0
		for s := bufio.NewScanner(pipe); s.Scan(); count++ {
		}
		must(b, cat.Wait())
		if count != lines {
			b.Fatalf("cat printed %d lines", count)
		}
	}, func() {
		n++
		id, count, began := fmt.Sprint("lines", n), 0, time.Now()
		m.done(b, tentacle.StartScriptCommandV2{ScriptTicket: ticket(id), TaskID: id, ScriptBody: "cat '" + file + "'"},
			func(o tentacle.ProcessOutput) {
				if o.Text == line {
					count++
				}
			})
		if took += time.Since(began); count != lines {
			b.Fatalf("%d lines arrived", count)
		}
	})
	b.ReportMetric(lines*float64(n)/took.Seconds(), "lines/s")
}

// zeros is content that costs nothing to make.
type zeros struct{}

func nothing(size int64) io.ReadCloser { return io.NopCloser(io.LimitReader(zeros{}, size)) }

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// moved is how much is uploaded and downloaded at once.
const moved = 512 << 20

// BenchmarkUploadBesideCopy uploads a file, and copies as much over bare TLS to a file. Neither waits for the disk.
func BenchmarkUploadBesideCopy(b *testing.B) {
	m := bench(b)
	file, done := filepath.Join(b.TempDir(), "copy"), make([]byte, 1)
	c := peer(b, func(c net.Conn) error {
		for {
			if err := save(file, c); err != nil {
				return err
			}
			if _, err := c.Write(done); err != nil {
				return err
			}
		}
	})
	b.SetBytes(moved)
	against(b, func() {
		_, err := io.Copy(c, nothing(moved))
		must(b, err)
		_, err = io.ReadFull(c, done)
		must(b, err)
	}, func() {
		r, err := m.client.UploadFile(b.Context(), "Files/large", halibut.NewDataStream(moved, func() (io.ReadCloser, error) { return nothing(moved), nil }))
		must(b, err)
		if r.Length != moved {
			b.Fatalf("%d bytes arrived", r.Length)
		}
	})
}

// save stores what comes in a file.
func save(file string, from io.Reader) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, from, moved)
	return errors.Join(err, f.Close())
}

// BenchmarkDownloadBesideCopy downloads a file, and copies as much from a file over bare TLS to a file.
func BenchmarkDownloadBesideCopy(b *testing.B) {
	m := bench(b)
	_, err := m.client.UploadFile(b.Context(), "Files/large", halibut.NewDataStream(moved, func() (io.ReadCloser, error) { return nothing(moved), nil }))
	must(b, err)
	source, target, ask := filepath.Join(m.home, "Files", "large"), filepath.Join(b.TempDir(), "copy"), make([]byte, 1)
	c := peer(b, func(c net.Conn) error {
		for {
			if _, err := io.ReadFull(c, ask); err != nil {
				return err
			}
			f, err := os.Open(source)
			if err != nil {
				return err
			}
			_, err = io.Copy(c, f)
			if err := errors.Join(err, f.Close()); err != nil {
				return err
			}
		}
	})
	b.SetBytes(moved)
	against(b, func() {
		_, err := c.Write(ask)
		must(b, err)
		must(b, save(target, c))
	}, func() {
		stream, err := m.client.DownloadFile(b.Context(), "Files/large")
		must(b, err)
		if stream.Len() != moved {
			b.Fatalf("%d bytes arrived", stream.Len())
		}
		stream.Discard()
	})
}
