//go:build unix

package engine

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mantledeploy/mantle/api/step"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// crashAt names, in the environment of a test's engine, the point at which it dies.
const crashAt = "ENGINE_TEST_CRASH"

// The test's binary is the engine too: a step runs in a real process, as a Tentacle starts it.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "step" {
		os.Exit(execute(os.Args[2:], options{at: func(point string) {
			if os.Getenv(crashAt) == point {
				p, _ := os.FindProcess(os.Getpid())
				_ = p.Kill()
				time.Sleep(time.Minute) // The kill comes first.
			}
		}}))
	}
	os.Exit(m.Run())
}

// machine is a home, and starts steps in it.
type machine struct {
	t    *testing.T
	home string
	n    int
	env  []string // in addition
	// prepare changes a process that is about to start; nil for none.
	prepare func(*exec.Cmd)
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	return &machine{t: t, home: t.TempDir()}
}

// report is what came of one step.
type report struct {
	code           int
	stdout, stderr string
	shown          string
	result         step.Result
	hasResult      bool
	inventory      step.Inventory
	folder         string
}

// command prepares the folder of a step as a Tentacle does, and the process that carries it out.
func (m *machine) command(p step.Plan, secrets ...string) (*exec.Cmd, string) {
	m.t.Helper()
	m.n++
	p.Ticket = step.Ticket(p.RunUID, p.Step, "target", m.n)
	start, err := step.Command(p, secrets)
	if err != nil {
		m.t.Fatal(err)
	}
	folder := filepath.Join(m.home, "Work", p.Ticket)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		m.t.Fatal(err)
	}
	for _, f := range start.Files {
		r, err := f.Contents.Open()
		if err != nil {
			m.t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close(), os.WriteFile(filepath.Join(folder, f.Name), data, 0o600)); err != nil {
			m.t.Fatal(err)
		}
	}
	body := filepath.Join(folder, "body.sh")
	if err := os.WriteFile(body, []byte(start.Scripts["Bash"]), 0o600); err != nil {
		m.t.Fatal(err)
	}
	cmd := exec.Command("/bin/bash", body)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "MANTLE_ENGINE="+os.Args[0], "TentacleHome="+m.home, "TMPDIR="+m.t.TempDir())
	cmd.Env = append(cmd.Env, m.env...)
	if m.prepare != nil {
		m.prepare(cmd)
	}
	return cmd, folder
}

func (m *machine) step(p step.Plan, secrets ...string) report {
	m.t.Helper()
	cmd, folder := m.command(p, secrets...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Start()
	if err != nil {
		m.t.Fatal(err)
	}
	guard := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	err = cmd.Wait()
	guard.Stop()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		m.t.Fatal(err)
	}
	r := read(step.Nonce(filepath.Base(folder)), stdout.String(), stderr.String())
	r.code, r.folder = cmd.ProcessState.ExitCode(), folder
	return r
}

// read is what an operator reads of a step.
func read(nonce, stdout, stderr string) report {
	r := report{stdout: stdout, stderr: stderr}
	s := step.NewScanner(nonce)
	for line := range strings.Lines(stdout) {
		line = strings.TrimSuffix(line, "\n")
		if _, show := s.Line(tentacle.StdOut, line); show {
			r.shown += line + "\n"
		}
	}
	r.result, r.hasResult = s.Result()
	r.inventory, _ = s.Inventory()
	return r
}

// ok fails the test unless the step ended well and said so.
func (r report) ok(t *testing.T) report {
	t.Helper()
	if r.code != 0 || !r.hasResult || r.result.ExitCode != 0 || r.result.Reason != "" {
		t.Fatalf("code %d, result %v %+v\n%s%s", r.code, r.hasResult, r.result, r.stdout, r.stderr)
	}
	return r
}

func (r report) failed(t *testing.T, code int, reason string) report {
	t.Helper()
	if r.code != code || !r.hasResult || r.result.ExitCode != code || r.result.Reason != reason {
		t.Fatalf("code %d, result %v %+v, want %d %s\n%s%s", r.code, r.hasResult, r.result, code, reason, r.stdout, r.stderr)
	}
	return r
}

func plan(kind step.Kind) step.Plan {
	return step.Plan{Kind: kind, Namespace: "shop", Environment: "production", Project: "shop", Release: "1.0.0", Snapshot: "snap",
		RunName: "run-1", RunUID: "u1", Step: "web/do", Target: "web-1", TimeoutSeconds: 50}
}

func script(shell step.Shell, text string, env ...step.EnvVar) step.Plan {
	p := plan(step.KindRun)
	p.Run = &step.Run{Shell: shell, Script: text, Env: env}
	return p
}

// upload puts a package of one file into the home, and returns the plan that deploys it.
func (m *machine) upload(version, body string) step.Plan {
	m.t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := w.WriteHeader(&tar.Header{Name: "body.txt", Mode: 0o644, Size: int64(len(body)), Typeflag: tar.TypeReg})
	if err == nil {
		_, err = w.Write([]byte(body))
	}
	if err := errors.Join(err, w.Close()); err != nil {
		m.t.Fatal(err)
	}
	sum := sha256.Sum256(b.Bytes())
	digest := hex.EncodeToString(sum[:])
	p := plan(step.KindDeploy)
	p.Release = version
	p.Deploy = &step.Deploy{Package: "web", Version: version, Content: step.Content{SHA256: digest, Format: step.FormatTar,
		Path: step.ContentPath(digest, step.FormatTar), Size: int64(b.Len())}}
	path := filepath.Join(m.home, filepath.FromSlash(p.Deploy.Content.Path))
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, b.Bytes(), 0o600)); err != nil {
		m.t.Fatal(err)
	}
	return p
}

// current is the text of the file that is installed, and the folder that it is in.
func (m *machine) current() (body, folder string) {
	m.t.Helper()
	link := filepath.Join(m.home, "Applications/shop/production/shop/web/current")
	folder, err := os.Readlink(link)
	if os.IsNotExist(err) {
		return "", ""
	}
	data, err := os.ReadFile(filepath.Join(link, "body.txt"))
	if err != nil {
		m.t.Fatal(err)
	}
	return string(data), folder
}

// rows are the journal's.
func (m *machine) rows() []map[string]any {
	m.t.Helper()
	data, err := os.ReadFile(filepath.Join(m.home, "Applications/deployments.jsonl"))
	if err != nil {
		m.t.Fatal(err)
	}
	var rows []map[string]any
	for line := range strings.Lines(string(data)) {
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			m.t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it did not come to pass: %s", what)
		}
	}
}

// drains counts the processes of this machine's engine that read what scripts have left.
func (m *machine) drains() (n int, known bool) {
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(all) == 0 {
		return 0, false
	}
	for _, path := range all {
		line, _ := os.ReadFile(path)
		at, _ := os.Readlink(filepath.Join(filepath.Dir(path), "cwd"))
		if at == m.home && strings.Contains(string(line), "\x00--drain\x00") {
			n++
		}
	}
	return n, true
}
