package engine

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mantledeploy/mantle/api/step"
)

const nobody = 65534

// rootMachine is a machine whose engine is one that other users can run too. It skips a test without the rights of root.
func rootMachine(t *testing.T) *machine {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("this test runs scripts as other users, for which it has to run as root")
	}
	m := newMachine(t)
	for at := m.home; at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	engine := filepath.Join(m.home, "engine")
	if err := os.WriteFile(engine, data, 0o755); err != nil {
		t.Fatal(err)
	}
	m.env = []string{step.EnvEngine + "=" + engine, "TMPDIR=/tmp"}
	return m
}

// asNobody makes all engines of the machine run as nobody, to whom the home then belongs.
func (m *machine) asNobody() {
	m.t.Helper()
	m.prepare = func(cmd *exec.Cmd) {
		if out, err := exec.Command("chown", "-R", "nobody:nogroup", m.home).CombinedOutput(); err != nil {
			m.t.Fatalf("%v: %s", err, out)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
}

// sudo puts a program of that name before all others on the machine's path.
func (m *machine) sudo(text string) {
	m.t.Helper()
	bin := filepath.Join(m.home, "bin")
	if err := errors.Join(os.Mkdir(bin, 0o755), os.WriteFile(filepath.Join(bin, "sudo"), []byte("#!/bin/bash\n"+text+"\n"), 0o755)); err != nil {
		m.t.Fatal(err)
	}
	m.env = append(m.env, "PATH="+bin+":"+os.Getenv("PATH"))
}

func scriptAs(user, text string, env ...step.EnvVar) step.Plan {
	p := script(step.Bash, text, env...)
	p.Run.User, p.Outputs = user, []string{"who"}
	return p
}

// promised is what a script finds, whoever it runs as.
const promised = `id -un; echo "$HOME"; echo "password is $PASSWORD"; echo "to stderr" >&2
	grep -o '"db.host":"[a-z]*"' "$MANTLE_VARIABLES"; stat -c '%U %a' . "$MANTLE_VARIABLES" "$MANTLE_OUTPUT"; grep CapEff /proc/self/status
	echo "$TentacleHome $MANTLE_STEP ${MANTLE_WORKER-none} ${MANTLE_SEAL-none}"; for fd in 3 4 5; do [ ! -e /proc/$$/fd/$fd ] || echo "open: $fd"; done
	echo "who=$(id -un) $PWD" >> "$MANTLE_OUTPUT"; exit 7`

func TestAStepRunsAsItsUser(t *testing.T) {
	m := rootMachine(t)
	p := scriptAs("nobody", promised, step.EnvVar{Name: "PASSWORD", Value: step.SecretRef(0)})
	p.Variables = map[string]step.Value{"db.host": step.Text("dbone"), "db.password": step.SecretRef(0)}
	r := m.step(p, "hunter2").failed(t, 7, step.ReasonExitCode)
	want := "nobody\n/nonexistent\npassword is ********\n\"db.host\":\"dbone\"\nnobody 700\nnobody 600\nnobody 600\nCapEff:\t0000000000000000\n" +
		m.home + " web/do none none\n"
	who, folder, _ := strings.Cut(r.result.Outputs["who"], " ")
	if r.shown != want || r.stderr != "to stderr\n" || who != "nobody" {
		t.Errorf("shown:\n%s\nwant:\n%s\nstderr: %s, result %+v", r.shown, want, r.stderr, r.result)
	}
	if rows := m.rows(); len(rows) != 2 || rows[1]["phase"] != "Failed" {
		t.Errorf("the journal says %v", rows)
	}
	if _, err := os.Stat(folder); !strings.HasPrefix(folder, "/tmp/mantle-step-") || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the script's folder %s: %v", folder, err)
	}
}

func TestAStepOfAnotherUserIsEndedWhenItsTimeIsOver(t *testing.T) {
	m := rootMachine(t)
	mark := filepath.Join(m.home, "mark")
	p := scriptAs("nobody", `trap '' TERM; echo $$ > "$MARK"; sleep 300 & sleep 300; sleep 300`, step.EnvVar{Name: "MARK", Value: step.Text(mark)})
	p.TimeoutSeconds = 8
	if err := errors.Join(os.WriteFile(mark, nil, 0o600), os.Chown(mark, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	m.step(p).failed(t, step.ExitTimedOut, step.ReasonTimedOut)
	pid, err := os.ReadFile(mark)
	if err != nil || len(pid) == 0 {
		t.Fatalf("%q, %v", pid, err)
	}
	if _, err := os.Stat("/proc/" + strings.TrimSpace(string(pid))); err == nil {
		t.Error("the script lives on")
	}
}

func TestAnEngineWithoutRightsAsksSudo(t *testing.T) {
	m := rootMachine(t)
	m.asNobody()
	m.sudo(`echo "$*" > "` + m.home + `/asked"; [ "$1 $2 $3 $4" = "-n -u daemon --" ] || exit 1; shift 4; exec env -i PATH="$PATH" "$@"`)
	p := scriptAs("daemon", `echo "$TentacleHome $PASSWORD"; echo who=me >> "$MANTLE_OUTPUT"`, step.EnvVar{Name: "PASSWORD", Value: step.SecretRef(0)})
	r := m.step(p, "hunter2").ok(t)
	if r.shown != m.home+" ********\n" {
		t.Errorf("shown: %s", r.shown)
	}
	asked, err := os.ReadFile(filepath.Join(m.home, "asked"))
	if want := "-n -u daemon -- " + filepath.Join(m.home, "engine") + " step --worker\n"; err != nil || string(asked) != want {
		t.Errorf("sudo was asked %q, want %q (%v)", asked, want, err)
	}
	m.step(scriptAs("nobody", "id -un")).ok(t) // is who it runs as already
}

func TestAUserThatMayNotBeIsRefusedWithTheRemedy(t *testing.T) {
	for name, c := range map[string]struct {
		user, sudo string
		want       []string
	}{
		"sudo refuses": {"daemon", "echo 'sudo: a password is required' >&2; exit 1",
			[]string{"to run as daemon", "nobody ALL=(daemon) NOPASSWD: ", "/engine step --worker", "(sudo: a password is required)"}},
		"no such user": {"no-such-user", "exit 1", []string{"to run as no-such-user", "no such account on this machine"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := rootMachine(t)
			m.asNobody()
			m.sudo(c.sudo)
			r := m.step(scriptAs(c.user, "echo ran")).failed(t, step.ExitFailed, step.ReasonUserRefused)
			for _, want := range c.want {
				if !strings.Contains(r.stderr, want) {
					t.Errorf("%q is not in %s", want, r.stderr)
				}
			}
			if strings.Contains(r.shown, "ran") || !strings.Contains(r.result.Tail, "to run as") {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestAScriptBeginsInItsFolder(t *testing.T) {
	m := newMachine(t)
	dir := t.TempDir()
	p := script(step.Bash, "pwd")
	p.Run.WorkingDir = dir
	if r := m.step(p).ok(t); r.shown != dir+"\n" {
		t.Errorf("it began in %s", r.shown)
	}
	p.Run.WorkingDir = filepath.Join(dir, "missing")
	r := m.step(p).failed(t, step.ExitFailed, step.ReasonWorkingDirNotFound)
	if !strings.Contains(r.stderr, "missing (workingDir) is not there") {
		t.Errorf("%s", r.stderr)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p.Run.WorkingDir = file
	m.step(p).failed(t, step.ExitFailed, step.ReasonWorkingDirNotFound)
}

func TestAFolderThatTheUserMayNotEnterIsSaid(t *testing.T) {
	m := rootMachine(t)
	p := scriptAs("nobody", "pwd")
	p.Run.WorkingDir = filepath.Join(m.home, "closed")
	if err := os.Mkdir(p.Run.WorkingDir, 0o700); err != nil {
		t.Fatal(err)
	}
	m.step(p).failed(t, step.ExitFailed, step.ReasonWorkingDirNotFound)
}

// What a worker answers comes from a process of another user, who may have made it say anything.
func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{frameStdout, 0, 0, 0, 1, 'x'})
	f.Add([]byte{frameOutcome, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bufio.NewReader(bytes.NewReader(data))
		for {
			_, piece, err := readFrame(r, maxReply)
			if err != nil {
				if len(data) == 0 && !errors.Is(err, io.EOF) {
					t.Error(err)
				}
				return
			}
			if len(piece) > len(data) {
				t.Error("more came out than went in")
			}
		}
	})
}
