package hostservice

import (
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mantledeploy/mantle/agent/internal/home"
)

// machine is a systemd of folders, and a systemctl that notes how it was called.
func machine(t *testing.T, booted bool) (s *System, calls func() string) {
	t.Helper()
	dir := t.TempDir()
	s = &System{
		units: filepath.Join(dir, "units"), vendor: []string{filepath.Join(dir, "vendor")},
		booted: filepath.Join(dir, "booted"), systemctl: filepath.Join(dir, "systemctl"),
	}
	folders := []string{s.units, s.vendor[0]}
	if booted {
		folders = append(folders, s.booted)
	}
	for _, name := range folders {
		if err := os.Mkdir(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	notes := filepath.Join(dir, "calls")
	write(t, s.systemctl, "#!/bin/sh\necho \"$*\" >> '"+notes+"'\n[ \"$2\" != is-active ] || { echo inactive; exit 3; }\n[ \"$2\" != start ] || { echo Job failed >&2; exit 1; }\n")
	if err := os.Chmod(s.systemctl, 0o755); err != nil {
		t.Fatal(err)
	}
	return s, func() string {
		text, _ := os.ReadFile(notes)
		return strings.ReplaceAll(string(text), "--no-pager ", "")
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestADaemonIsNotInstalledAsAUserWhoCannotReadItsFiles(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make files of others")
	}
	const nobody = 65534
	s, _ := machine(t, true)
	h, err := home.Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	o := options()
	o.Home, o.User = h.Dir(), "nobody"
	if _, err := s.Install(t.Context(), o); err == nil || !strings.Contains(err.Error(), "chown -R nobody: "+o.Home) {
		t.Errorf("root's home: %v", err)
	}
	if err := os.Chown(h.State(), nobody, nobody); err != nil {
		t.Fatal(err)
	}
	write(t, h.Key(), "")
	if _, err := s.Install(t.Context(), o); err == nil || !strings.Contains(err.Error(), "chown -R nobody "+h.State()) {
		t.Errorf("root's key: %v", err)
	}
	if err := os.Chown(h.Key(), nobody, nobody); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Install(t.Context(), o); err != nil {
		t.Error(err)
	}
}

func TestInstallWritesTheUnitAndEnablesIt(t *testing.T) {
	s, calls := machine(t, true)
	notes, err := s.Install(t.Context(), options())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(s.units, "tentacle.service")
	if got := calls(); got != "daemon-reload\nenable tentacle.service\n" || !strings.Contains(strings.Join(notes, "\n"), path) {
		t.Errorf("systemctl was called as %q; notes %q", got, notes)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the unit: %v, %v", info, err)
	}
	status, err := s.Status(t.Context())
	if err != nil || status.Installed == nil || status.Installed.Home != "/var/lib/tentacle" || status.Running || status.Detail != "inactive" {
		t.Errorf("status %+v, %v", status, err)
	}
	other := options()
	other.Home = "/srv/other"
	if _, err := s.Install(t.Context(), other); err == nil || !strings.Contains(err.Error(), "/var/lib/tentacle") {
		t.Errorf("a service for another home took its place: %v", err)
	}
	if err := s.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "Job failed") {
		t.Errorf("a start that failed: %v", err)
	}
	if _, err := s.Uninstall(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the unit is still there: %v", err)
	}
	if got := calls(); !strings.HasSuffix(got, "disable --now tentacle.service\ndaemon-reload\n") {
		t.Errorf("systemctl was called as %q", got)
	}
	if err := s.Stop(t.Context()); !errors.Is(err, ErrNotInstalled) {
		t.Errorf("stopping what is not installed: %v", err)
	}
}

func TestWithoutARunningSystemdTheUnitIsWrittenAndTheRestIsSaid(t *testing.T) {
	s, calls := machine(t, false)
	notes, err := s.Install(t.Context(), options())
	if err != nil || !strings.Contains(strings.Join(notes, "\n"), "systemctl enable --now tentacle") {
		t.Errorf("notes %q, %v", notes, err)
	}
	if err := s.Start(t.Context()); !errors.Is(err, ErrNotRunning) {
		t.Errorf("starting: %v", err)
	}
	if got := calls(); got != "" {
		t.Errorf("systemctl was called as %q", got)
	}
}

func TestTheUnitOfAPackageIsKept(t *testing.T) {
	s, _ := machine(t, true)
	text, err := Unit(options())
	if err != nil {
		t.Fatal(err)
	}
	packaged := filepath.Join(s.vendor[0], "tentacle.service")
	write(t, packaged, text)
	if _, err := s.Install(t.Context(), options()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(s.units, "tentacle.service")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the same unit was written a second time: %v", err)
	}
	if _, err := s.Uninstall(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(packaged); err != nil {
		t.Errorf("the package's unit: %v", err)
	}
}

func TestAUserWhoCannotReadTheHomeIsRefused(t *testing.T) {
	s, _ := machine(t, true)
	me, err := user.Current()
	if err != nil {
		t.Skip("this user has no name:", err)
	}
	o := options()
	o.Home, o.User = t.TempDir(), me.Username
	if err := os.Mkdir(filepath.Join(o.Home, ".tentacle"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Install(t.Context(), o); err != nil {
		t.Errorf("the owner: %v", err)
	}
	o.User = "nobody"
	if _, err := s.Install(t.Context(), o); err == nil || !strings.Contains(err.Error(), "chown -R nobody: "+o.Home) {
		t.Errorf("nobody: %v", err)
	}
	o.User = "mantle-has-no-such-user"
	if _, err := s.Install(t.Context(), o); err == nil || !strings.Contains(err.Error(), "useradd") {
		t.Errorf("a user who is not there: %v", err)
	}
}

func TestAProgramIsReplacedUnderTheFeetOfItsProcesses(t *testing.T) {
	dir := t.TempDir()
	target, source := filepath.Join(dir, "tentacle"), filepath.Join(dir, "next")
	for _, keep := range []bool{false, true} {
		write(t, target, "old")
		write(t, source, "new")
		held, err := os.Open(target) // as a process holds its program
		if err != nil {
			t.Fatal(err)
		}
		if err := replaceProgram(target, source, keep); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 9)
		if n, _ := held.Read(buf); string(buf[:n]) != "old" {
			t.Errorf("the program that ran became %q", buf[:n])
		}
		_ = held.Close()
		content, err := os.ReadFile(target)
		info, err2 := os.Stat(target)
		if err != nil || err2 != nil || string(content) != "new" || info.Mode().Perm()&0o111 == 0 {
			t.Errorf("installed is %q %v, %v %v", content, info.Mode(), err, err2)
		}
		if old, _ := filepath.Glob(target + ".old-*"); (len(old) == 1) != keep {
			t.Errorf("keep=%v left %v", keep, old)
		}
	}
	write(t, source, "newer")
	if err := replaceProgram(target, source, true); err != nil {
		t.Fatal(err)
	}
	if old, _ := filepath.Glob(target + ".old-*"); len(old) != 1 {
		t.Errorf("earlier ones pile up: %v", old)
	}
	if err := replaceProgram(target, target, false); err == nil {
		t.Error("a program took its own place")
	}
	victim := filepath.Join(dir, "victim")
	write(t, victim, "keep")
	if err := os.Symlink(victim, target+".new"); err != nil {
		t.Fatal(err)
	}
	if err := replaceProgram(target, source, false); err != nil {
		t.Error(err)
	}
	if content, err := os.ReadFile(victim); err != nil || string(content) != "keep" {
		t.Errorf("a link in the way was followed: %q, %v", content, err)
	}
}
