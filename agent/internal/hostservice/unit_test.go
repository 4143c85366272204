package hostservice

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func options() Options {
	return Options{Executable: "/usr/bin/tentacle", Home: "/var/lib/tentacle", NoRestart: []int{7, 2, 3}}
}

func TestAUnitTellsWhatItWasMadeOf(t *testing.T) {
	for _, o := range []Options{
		options(),
		{Executable: "/opt/a b/tentacle", Home: `/srv/50% "$HOME" \x`, User: "tentacle"},
		{Executable: "/usr/bin/tentacle", Home: "/srv/User=root", User: "DOMAIN\\deploy"},
	} {
		text, err := Unit(o)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := readUnit(text)
		o.NoRestart = nil
		if diff := cmp.Diff(o, got); !ok || diff != "" {
			t.Errorf("ok=%v %s", ok, diff)
		}
	}
	if _, ok := readUnit("[Service]\nExecStart=/bin/true\n"); ok {
		t.Error("somebody else's unit was taken for ours")
	}
}

func TestNoLineOfAUnitComesFromAName(t *testing.T) {
	for _, o := range []Options{
		{Executable: "/usr/bin/tentacle", Home: "/srv/a\nExecStartPre=/bin/sh"},
		{Executable: "tentacle", Home: "/srv/a"},
		{Executable: "/usr/bin/tentacle", Home: "/srv/a", User: "a\nb"},
		{Executable: "/usr/bin/tentacle", Home: "/srv/\xff"},
	} {
		if text, err := Unit(o); err == nil {
			t.Errorf("%+v made %s", o, text)
		}
	}
}

// What ends with the daemon, and what scripts would inherit, is decided by these lines alone.
func TestAUnitLeavesScriptsAlone(t *testing.T) {
	o := options()
	o.User = "tentacle"
	text, err := Unit(o)
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]string{}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			lines[key] = value
		}
	}
	for key, want := range map[string]string{
		"KillMode": "process", "OOMPolicy": "continue", "OOMScoreAdjust": "-500", "TasksMax": "infinity", "PrivateTmp": "no", "Restart": "always",
		"RestartPreventExitStatus": "2 3 7", "AmbientCapabilities": "CAP_SETUID CAP_SETGID CAP_KILL",
		"ExecStart": `"/usr/bin/tentacle" run --home "/var/lib/tentacle"`,
	} {
		if lines[key] != want {
			t.Errorf("%s is %q, want %q", key, lines[key], want)
		}
	}
	for key := range lines {
		for _, cage := range []string{"Protect", "NoNewPrivileges", "Restrict", "SystemCall", "ReadOnly", "Inaccessible", "MemoryDeny", "CapabilityBounding", "Lock", "Private"} {
			if strings.HasPrefix(key, cage) && key != "PrivateTmp" {
				t.Errorf("%s would hold for scripts", key)
			}
		}
	}
}

func TestSystemdUnderstandsTheUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not here")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, account := range []string{"", "root"} {
		dir := filepath.Join(t.TempDir(), `a b 100% $x`)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		program := filepath.Join(dir, "tentacle")
		if err := os.Symlink(self, program); err != nil {
			t.Fatal(err)
		}
		text, err := Unit(Options{Executable: program, Home: dir, User: account, NoRestart: []int{2, 3, 4, 5, 7}})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, unitName)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), analyze, "verify", "--recursive-errors=no", path).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("systemd-analyze verify: %v\n%s", err, out)
		}
	}
}

// The package of a distribution brings this file; it is what 'tentacle service install' would write there.
func TestThePackagedUnitIsTheSame(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("paths are written otherwise")
	}
	o := options()
	o.NoRestart = []int{2, 3, 4, 5, 7}
	want, err := Unit(o)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../../hack/packages/tentacle.service")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("hack/packages/tentacle.service is to be brought up to date:\n%s", diff)
	}
}
