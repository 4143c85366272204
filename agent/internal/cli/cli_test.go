package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mantledeploy/mantle/agent/internal/home"
)

const (
	sha1a = "36F35047CE8B000CF4C671819A2DD1AFCDE3403D"
	sha1b = "0000000000000000000000000000000000000001"
)

// rig is a command line with a home of its own.
type rig struct {
	t    *testing.T
	home string
	env  map[string]string
	in   io.Reader
}

func newRig(t *testing.T) *rig {
	dir := filepath.Join(t.TempDir(), "home")
	return &rig{t: t, home: dir, env: map[string]string{"TENTACLE_HOME": dir}}
}

// call runs a command and returns its exit code and what it printed.
func (r *rig) call(args ...string) (exit int, out, stderr string) {
	r.t.Helper()
	return r.callWithin(r.t.Context(), args...)
}

// callWithin is call until ctx ends.
func (r *rig) callWithin(ctx context.Context, args ...string) (exit int, out, stderr string) {
	r.t.Helper()
	var o, e bytes.Buffer
	exit = run(ctx, args, &app{
		in: r.in, out: &o, err: &e, version: "1.2.3",
		env: func(k string) (string, bool) { v, ok := r.env[k]; return v, ok },
	})
	return exit, o.String(), e.String()
}

// must runs a command that has to succeed.
func (r *rig) must(args ...string) string {
	r.t.Helper()
	exit, out, stderr := r.call(args...)
	if exit != ExitOK {
		r.t.Fatalf("tentacle %s: exit code %d: %s", strings.Join(args, " "), exit, stderr)
	}
	return out
}

func (r *rig) show() shown {
	r.t.Helper()
	var s shown
	if err := json.Unmarshal([]byte(r.must("show", "--json")), &s); err != nil {
		r.t.Fatal(err)
	}
	return s
}

func contains(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
}

func TestInitMakesATentacleThatCanBeShown(t *testing.T) {
	r := newRig(t)
	out := r.must("init", "--listen", "10.0.0.5:10999", "--trust", strings.ToLower(sha1a), "--trust", sha1b)
	s := r.show()
	contains(t, out, string(s.SHA256), string(s.SHA1), "10.0.0.5:10999", "2 operators")
	if s.Version != "1.2.3" || s.Running || s.Policy != "none" || s.Address != "10.0.0.5:10999" || len(s.Operators) != 2 || s.Operators[0].Thumbprint != sha1a {
		t.Errorf("shown %+v", s)
	}
	contains(t, r.must("show"), string(s.SHA256), string(s.SHA1), "10.0.0.5:10999", sha1a, "1.2.3", "not running", "Next: start it: tentacle service install --start")
	if runtime.GOOS == "windows" {
		return
	}
	for name, want := range map[string]os.FileMode{".tentacle": 0o700, ".tentacle/key.pem": 0o600} {
		if info, err := os.Stat(filepath.Join(r.home, name)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want mode %04o", name, info.Mode(), err, want)
		}
	}
}

func TestInitCanBeRepeatedAndTakesNothingAway(t *testing.T) {
	r := newRig(t)
	r.must("init", "--trust", sha1a, "--listen", ":10999")
	before := r.show()
	contains(t, r.must("init", "--trust", sha1b, "--log-level", "debug"), "unchanged")
	after := r.show()
	if after.SHA256 != before.SHA256 || after.Listen != ":10999" || len(after.Operators) != 2 {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
	exit, _, stderr := r.call("init", "--rsa")
	if exit != ExitState {
		t.Errorf("exit code %d", exit)
	}
	contains(t, stderr, "ECDSA key already", "certificate new --rsa")
}

func TestInitFinishesWhatWasCutOffButNeverReplacesALostKey(t *testing.T) {
	r := newRig(t)
	r.must("init")
	h, err := home.Open(r.home)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(h.Certificate()); err != nil { // cut off between the two
		t.Fatal(err)
	}
	r.must("init")
	if err := os.Remove(h.Key()); err != nil {
		t.Fatal(err)
	}
	exit, _, stderr := r.call("init")
	if exit != ExitState {
		t.Errorf("exit code %d", exit)
	}
	contains(t, stderr, h.Key(), "backup")
}

func TestInitWithRSAMakesAnRSAKey(t *testing.T) {
	r := newRig(t)
	r.must("init", "--rsa")
	r.must("init", "--rsa")
	data, err := os.ReadFile(filepath.Join(r.home, ".tentacle", "certificate.pem"))
	if err != nil || len(data) < 900 {
		t.Errorf("%d bytes of certificate, %v; RSA-2048 has more", len(data), err)
	}
}

func TestTrustIsAddedListedAndRemoved(t *testing.T) {
	r := newRig(t)
	r.must("init")
	contains(t, r.must("trust", "list"), "trust add")
	contains(t, r.must("trust", "add", sha1a, "sha256:"+strings.Repeat("AB", 32)), sha1a+" is trusted.", "sha256:"+strings.Repeat("ab", 32)+" is trusted.")
	contains(t, r.must("trust", "add", strings.ToLower(sha1a)), "already")
	contains(t, r.must("trust", "list"), sha1a, "first connection", "itself")
	contains(t, r.must("trust", "remove", sha1a), sha1a+" is no longer trusted.")
	if s := r.show(); len(s.Operators) != 1 {
		t.Errorf("%v are trusted", s.Operators)
	}
	exit, _, stderr := r.call("trust", "remove", sha1b)
	if exit != ExitFailed {
		t.Errorf("exit code %d", exit)
	}
	contains(t, stderr, "was not trusted", "trust list")
}

func TestTheManifestHasWhatTheMachineKnowsAndExplainsTheRest(t *testing.T) {
	r := newRig(t)
	r.must("init", "--address", "Web-1.Example.com:10999")
	contains(t, r.must("show", "--manifest"),
		"apiVersion: mantle.dev/v1alpha1\nkind: DeploymentTarget\n", "name: web-1-example-com\n",
		"address: \"Web-1.Example.com:10999\"\n", "thumbprint: \""+string(r.show().SHA256)+"\"\n",
		"environments:\n    - change-me", "roles:\n    - change-me", "# ")
	r.env["TENTACLE_ADDRESS"] = "[fd00::1]:1"
	contains(t, r.must("show", "--manifest"), "address: \"[fd00::1]:1\"\n", "name: fd00--1\n")
}

func TestEveryMistakeHasItsExitCodeAndARemedy(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(*testing.T, home.Home)
		args   []string
		exit   int
		want   []string
	}{
		"no such command":  {args: []string{"deploy"}, exit: ExitUsage, want: []string{"deploy", "tentacle help"}},
		"no such flag":     {args: []string{"run", "--port", "1"}, exit: ExitUsage, want: []string{"--port"}},
		"too much":         {args: []string{"show", "x"}, exit: ExitUsage, want: []string{"\"x\" is too much", "called as: tentacle show"}},
		"no thumbprint":    {args: []string{"trust", "add"}, exit: ExitUsage, want: []string{"needs a thumbprint"}},
		"bad thumbprint":   {args: []string{"trust", "add", "36:F3"}, exit: ExitUsage, want: []string{"without separators"}},
		"supervise":        {args: []string{"supervise"}, exit: ExitUsage, want: []string{"supervise DIR"}},
		"step":             {args: []string{"step"}, exit: ExitUsage, want: []string{"step --plan"}},
		"bad trust flag":   {args: []string{"init", "--trust", "x"}, exit: ExitUsage, want: []string{"40 hex digits"}},
		"bad setting":      {args: []string{"init", "--listen", "here"}, exit: ExitConfig, want: []string{"--listen", "here:10933"}},
		"no home":          {args: []string{"run", "--home", "/nonexistent/x"}, exit: ExitNotInitialised, want: []string{"tentacle init --home /nonexistent/x"}},
		"bad flag for run": {args: []string{"run", "--log-level", "loud"}, exit: ExitConfig, want: []string{"--log-level", "debug, info"}},
		"unknown key": {
			damage: func(t *testing.T, h home.Home) { overwrite(t, h.Config(), "listn: 1\n") },
			args:   []string{"run"}, exit: ExitConfig, want: []string{"line 1: listn: is no known key", "listen, address", "config.yaml"},
		},
		"damaged trust": {
			damage: func(t *testing.T, h home.Home) { overwrite(t, h.Trust(), "{") },
			args:   []string{"run"}, exit: ExitState, want: []string{"trust.json", "nobody is trusted"},
		},
		"damaged key": {
			damage: func(t *testing.T, h home.Home) { overwrite(t, h.Key(), "x") },
			args:   []string{"show"}, exit: ExitState, want: []string{"key.pem", "backup"},
		},
		"missing key": {
			damage: func(t *testing.T, h home.Home) { _ = os.Remove(h.Key()) },
			args:   []string{"run"}, exit: ExitState, want: []string{"key.pem", "tentacle certificate import FILE", "tentacle certificate new"},
		},
		"missing certificate": {
			damage: func(_ *testing.T, h home.Home) { _ = os.Remove(h.Certificate()) },
			args:   []string{"run"}, exit: ExitState, want: []string{"certificate.pem", "tentacle init"},
		},
		"open to others": {
			damage: func(_ *testing.T, h home.Home) { _ = os.Chmod(h.State(), 0o755) },
			args:   []string{"show"}, exit: ExitState, want: []string{"mode 0755, want 0700", "chmod 0700 /"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if runtime.GOOS == "windows" && name == "open to others" {
				t.Skip("Windows has no modes")
			}
			r := newRig(t)
			r.must("init")
			if c.damage != nil {
				h, err := home.Open(r.home)
				if err != nil {
					t.Fatal(err)
				}
				c.damage(t, h)
			}
			exit, _, stderr := r.call(c.args...)
			if exit != c.exit {
				t.Errorf("exit code %d, want %d", exit, c.exit)
			}
			contains(t, stderr, c.want...)
		})
	}
}

func TestADamagedListOfRefusedOperatorsKeepsNothingElseFromBeingShown(t *testing.T) {
	r := newRig(t)
	r.must("init", "--trust", sha1a)
	path := filepath.Join(r.home, ".tentacle", "pending.json")
	overwrite(t, path, "x")
	contains(t, r.must("show"), sha1a, "pending     not known: reading "+path, "remove it")
	if s := r.show(); s.PendingProblem == "" {
		t.Errorf("%+v", s)
	}
	_, out, _ := r.call("doctor")
	contains(t, out, "warn  trust ", path, "-> rm "+path)
}

func TestAPortThatIsTakenIsLeftToTheDoctor(t *testing.T) {
	r := newRig(t)
	r.must("init")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	exit, _, stderr := r.call("run", "--listen", l.Addr().String())
	if exit != ExitListen {
		t.Errorf("exit code %d", exit)
	}
	contains(t, stderr, "cannot listen on "+l.Addr().String(), "'tentacle doctor' says what holds the port")
}

func overwrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAMistakenInitMakesNothing(t *testing.T) {
	r := newRig(t)
	if exit, _, _ := r.call("init", "--listen", "nowhere"); exit != ExitConfig {
		t.Errorf("exit code %d", exit)
	}
	if _, err := os.Lstat(r.home); !os.IsNotExist(err) {
		t.Errorf("something was made: %v", err)
	}
}

// The README's table is what administrators write their own units by.
func TestTheReadmeSaysAfterWhichExitCodesToStartAgain(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []int
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 5 || strings.TrimSpace(cells[3]) != "no" {
			continue
		}
		if n, err := strconv.Atoi(strings.TrimSpace(cells[1])); err == nil {
			listed = append(listed, n)
		}
	}
	if !slices.Equal(listed, final()) {
		t.Errorf("listed %v, in the unit %v", listed, final())
	}
}
