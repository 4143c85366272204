//go:build linux

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/mantledeploy/mantle/api/halibut"
	"github.com/mantledeploy/mantle/api/tentacle"
	"github.com/mantledeploy/mantle/api/tentacle/tentacletest"
)

// gobuild builds a package of the repository, or of a module in it.
func gobuild(t *testing.T, folder, out, ldflags, pkg string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-ldflags="+ldflags, "-o", out, pkg)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath -buildvcs=false")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", pkg, err, out)
	}
}

// release is one version's packages, by their kind.
type release struct {
	version  string
	packages map[string]string
}

// releases builds the packages of two versions, each with a program that knows its own.
func releases(t *testing.T) (first, second release) {
	t.Helper()
	dir := t.TempDir()
	packer := filepath.Join(dir, "packages")
	gobuild(t, "../hack/packages", packer, "-s -w", ".")
	built := os.Getenv("MANTLE_TENTACLE") // by make, which saves building another
	if built == "" {
		built = filepath.Join(dir, "first")
		gobuild(t, ".", built, "-s -w -X main.version=1.0.0", ".")
	}
	next := filepath.Join(dir, "next")
	gobuild(t, ".", next, "-s -w -X main.version=1.1.0", ".")
	return pack(t, packer, built, "1.0.0"), pack(t, packer, next, "1.1.0")
}

// pack packs a program, which may tell another version of itself.
func pack(t *testing.T, packer, program, version string) release {
	t.Helper()
	args := []string{"-root", "..", "-binary", program, "-arch", runtime.GOARCH, "-version", version, "-time", "1700000000", "-out", filepath.Dir(packer)}
	out, err := exec.CommandContext(t.Context(), packer, args...).Output()
	made := strings.Fields(string(out))
	if err != nil || len(made) != 2 {
		t.Fatalf("packing: %v %s", err, out)
	}
	told, err := exec.CommandContext(t.Context(), program, "version").Output()
	if err != nil {
		t.Fatal(err)
	}
	return release{strings.TrimSpace(string(told)), map[string]string{"deb": made[0], "rpm": made[1]}}
}

// machineRoot is the root of a machine on which packages are installed: a shell for their scripts, and in the
// place of systemd, which cannot run there, a systemctl that notes how it was called.
type machineRoot struct {
	t   *testing.T
	dir string
}

func newMachineRoot(t *testing.T) machineRoot {
	t.Helper()
	m := machineRoot{t, t.TempDir()}
	for _, dir := range []string{"run/systemd/system", "usr/bin", "bin", "tmp", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers", "var/lib/rpm"} {
		if err := os.MkdirAll(m.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m.copy("/bin/sh")
	libraries, _ := exec.CommandContext(t.Context(), "ldd", "/bin/sh").Output() // nothing where it is static
	for word := range strings.FieldsSeq(string(libraries)) {
		if strings.HasPrefix(word, "/") {
			m.copy(word)
		}
	}
	m.write("usr/bin/systemctl", "#!/bin/sh\necho \"$*\" >> /calls\n")
	m.write("var/lib/dpkg/status", "")
	return m
}

func (m machineRoot) path(name string) string { return filepath.Join(m.dir, name) }

func (m machineRoot) write(name, text string) {
	m.t.Helper()
	if err := os.WriteFile(m.path(name), []byte(text), 0o755); err != nil {
		m.t.Fatal(err)
	}
}

func (m machineRoot) copy(path string) {
	m.t.Helper()
	content, err := os.ReadFile(path)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(m.path(path)), 0o755)
	}
	if err != nil {
		m.t.Fatal(err)
	}
	m.write(path, string(content))
}

// run calls a package manager and returns what it and the package's scripts said, and how systemctl was called.
func (m machineRoot) run(name string, args ...string) (said, calls string) {
	m.t.Helper()
	_ = os.Remove(m.path("calls"))
	out, err := exec.CommandContext(m.t.Context(), name, args...).CombinedOutput()
	if err != nil {
		m.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	noted, _ := os.ReadFile(m.path("calls"))
	return string(out), string(noted)
}

// tentacle calls the installed program.
func (m machineRoot) tentacle(args ...string) []byte {
	m.t.Helper()
	out, err := exec.CommandContext(m.t.Context(), m.path("usr/bin/tentacle"), args...).Output()
	if err != nil {
		m.t.Fatalf("tentacle %v: %v", args, err)
	}
	return out
}

// family is how a kind of package is installed below a root.
type family struct {
	kind, needs            string
	install, remove, purge func(m machineRoot, arg string) (said, calls string)
}

func families() []family {
	dpkg := func(verb string) func(machineRoot, string) (string, string) {
		return func(m machineRoot, arg string) (string, string) {
			return m.run("dpkg", "--root="+m.dir, "--force-not-root", "--force-architecture", verb, arg)
		}
	}
	rpm := func(verb ...string) func(machineRoot, string) (string, string) {
		return func(m machineRoot, arg string) (string, string) {
			return m.run("rpm", append(append([]string{"--root", m.dir, "--dbpath", "/var/lib/rpm", "--nodeps"}, verb...), arg)...)
		}
	}
	return []family{
		{"deb", "dpkg", dpkg("-i"), dpkg("-r"), dpkg("-P")},
		{"rpm", "rpm", rpm("--ignorearch", "-U"), rpm("-e"), nil},
	}
}

// TestAPackageIsInstalledUpgradedAndRemoved carries a machine through the life of its package, by the real
// package managers in a root of their own. systemd's part, to end and start the daemon, is the test's.
func TestAPackageIsInstalledUpgradedAndRemoved(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("packages are installed by root")
	}
	first, second := releases(t)
	for _, f := range families() {
		t.Run(f.kind, func(t *testing.T) {
			if _, err := exec.LookPath(f.needs); err != nil {
				t.Skipf("%s is not here", f.needs)
			}
			f.life(t, newMachineRoot(t), first, second)
		})
	}
}

func (f family) life(t *testing.T, m machineRoot, first, second release) {
	said, calls := f.install(m, first.packages[f.kind])
	if !strings.Contains(said, "tentacle init --trust") || calls != "daemon-reload\n" {
		t.Errorf("a new machine was told %s, and systemctl %q", said, calls)
	}
	a, operatorThumbprint := tentacletest.NewCertificate(t, "operator")
	home := m.path("var/lib/tentacle")
	e := halibut.Endpoint{Address: initialise(t, filepath.Join(t.TempDir(), "unused")).Address} // a free port
	m.tentacle("init", "--home", home, "--listen", e.Address, "--trust", string(operatorThumbprint))
	e.Thumbprint = thumbprintOf(t, m.tentacle("show", "--json", "--home", home))
	p := f.start(t, m, home, e)
	if v := versionOf(t, operator(t, e, a)); v != first.version {
		t.Errorf("version %s", v)
	}
	c := newCounting(t.TempDir())
	startScript(t, operator(t, e, a), "upgraded", c.body())
	eventually(t, "the script begins", func() bool { return exists(c.begun) })

	said, calls = f.install(m, second.packages[f.kind])
	if calls != "daemon-reload\ntry-restart tentacle.service\n" {
		t.Errorf("an upgrade called systemctl %q and said %s", calls, said)
	}
	p.end(t)
	p = f.start(t, m, home, e)
	if v := versionOf(t, operator(t, e, a)); v != second.version {
		t.Errorf("version %s", v)
	}
	c.check(t, operator(t, e, a), "upgraded")

	c = newCounting(t.TempDir())
	startScript(t, operator(t, e, a), "removed", c.body())
	eventually(t, "the script begins", func() bool { return exists(c.begun) })
	said, calls = f.remove(m, "tentacle")
	if !strings.HasPrefix(calls, "disable --now tentacle.service\n") || !strings.Contains(said, "scripts that run go on") {
		t.Errorf("a removal called systemctl %q and said %s", calls, said)
	}
	p.end(t)
	if f.purge != nil {
		if said, _ := f.purge(m, "tentacle"); !strings.Contains(said, "/var/lib/tentacle stays") {
			t.Errorf("a purge said %s", said)
		}
	}
	if exists(m.path("usr/bin/tentacle")) || exists(m.path("usr/lib/systemd/system/tentacle.service")) || !exists(filepath.Join(home, ".tentacle", "key.pem")) {
		t.Error("the program or the unit is still there, or the key is not")
	}
	start(t, home, e) // whoever finds the home, finds the script
	c.check(t, operator(t, e, a), "removed")
}

// start runs the installed program, as the unit does.
func (f family) start(t *testing.T, m machineRoot, home string, e halibut.Endpoint) *running {
	t.Helper()
	return launch(t, exec.CommandContext(context.Background(), m.path("usr/bin/tentacle"), "run", "--home", home), home+".log", e)
}

// end ends the daemon as `systemctl stop` does: by a signal to it alone.
func (p *running) end(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the daemon ended with %d: %s", code, p.logged())
	}
}

func versionOf(t *testing.T, c *tentacle.Client) string {
	t.Helper()
	capabilities, err := c.GetCapabilities(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tentacle.ParseFacts(capabilities).Version
}
