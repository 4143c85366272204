package hostservice

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	// maxUnit bounds what is read of a unit.
	maxUnit = 64 << 10
	// patience bounds a call of systemctl. It waits for the daemon's end, which takes seconds.
	patience = 2 * time.Minute
)

// System is systemd on this machine. Its methods are for one caller at a time.
type System struct {
	units     string   // the administrator's units
	vendor    []string // those of packages
	booted    string   // exists where systemd runs
	systemctl string   // empty where there is none
}

// Open finds the service manager. It fails with ErrUnsupported where there is no systemd.
func Open() (*System, error) {
	s := &System{
		units: "/etc/systemd/system", vendor: []string{"/usr/lib/systemd/system", "/lib/systemd/system"},
		booted: "/run/systemd/system", systemctl: program("systemctl"),
	}
	if _, err := os.Stat(s.units); err != nil && s.systemctl == "" {
		return nil, fmt.Errorf("%w: it has no systemd. Let your service manager run 'tentacle run', start it again after the exit codes 1 and 6, "+
			"and end it by SIGTERM to that process alone, so that scripts go on", ErrUnsupported)
	}
	return s, nil
}

// Close gives back what Open took.
func (s *System) Close() error { return nil }

// program finds one by its name, where a system keeps its own. PATH is not asked, as this runs as root.
func program(name string) string {
	for _, dir := range []string{"/usr/bin", "/bin", "/usr/sbin", "/sbin", "/run/current-system/sw/bin"} {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}

// Install writes the unit and lets it start with the machine. It replaces a unit of the same home, and refuses
// to replace that of another. notes say what is left to do; ErrNotRunning is no failure here but a note.
func (s *System) Install(ctx context.Context, o Options) (notes []string, err error) {
	text, err := Unit(o)
	if err != nil {
		return nil, err
	}
	if err := checkUser(o); err != nil {
		return nil, err
	}
	note, err := s.place(o, text)
	if err != nil {
		return nil, err
	}
	notes = []string{note}
	if !s.runs() {
		return append(notes, "systemd does not run here, so the service was not enabled. Where it runs: systemctl daemon-reload && systemctl enable --now "+Name), nil
	}
	if _, err := s.ctl(ctx, "daemon-reload"); err != nil {
		return notes, err
	}
	if _, err := s.ctl(ctx, "enable", unitName); err != nil {
		return notes, err
	}
	return append(notes, "It starts with the machine."), nil
}

// place puts the unit where it belongs, unless that of a package is as good. note says what was done.
func (s *System) place(o Options, text string) (note string, err error) {
	there, err := s.installed()
	switch {
	case err != nil:
		return "", err
	case there != nil && there.Home != "" && there.Home != o.Home:
		return "", fmt.Errorf("%s serves the home %s already; a machine has one service: 'tentacle service uninstall' first, or write a unit of your own for a second home", there.Where, there.Home)
	case there != nil && there.Packaged && s.same(there.Where, text):
		return fmt.Sprintf("The unit of the package, %s, is what is needed.", there.Where), nil
	}
	path := filepath.Join(s.units, unitName)
	if err := replaceFile(path, text); err != nil {
		return "", fmt.Errorf("writing the unit: %w", err)
	}
	return "Wrote " + path + ".", nil
}

// Uninstall ends the daemon and removes the unit, or disables that of a package. Scripts that run go on, and
// the home stays.
func (s *System) Uninstall(ctx context.Context) (notes []string, err error) {
	there, err := s.installed()
	if err != nil {
		return nil, err
	}
	if there == nil {
		return nil, ErrNotInstalled
	}
	if s.runs() {
		if _, err := s.ctl(ctx, "disable", "--now", unitName); err != nil {
			return nil, err
		}
	}
	if there.Packaged {
		return []string{fmt.Sprintf("The service is disabled. Its unit, %s, is the package's and stays.", there.Where)}, nil
	}
	if err := os.Remove(there.Where); err != nil {
		return nil, fmt.Errorf("removing the unit: %w", err)
	}
	if s.runs() {
		if _, err := s.ctl(ctx, "daemon-reload"); err != nil {
			return nil, err
		}
	}
	return []string{"Removed " + there.Where + "."}, nil
}

// Start starts the daemon and returns once its program runs; whether it listens is told by its log.
func (s *System) Start(ctx context.Context) error { return s.ask(ctx, "start") }

// Stop ends the daemon and returns when it has ended. Scripts go on.
func (s *System) Stop(ctx context.Context) error { return s.ask(ctx, "stop") }

// Restart ends the daemon, if it runs, and starts it.
func (s *System) Restart(ctx context.Context) error { return s.ask(ctx, "restart") }

func (s *System) ask(ctx context.Context, verb string) error {
	there, err := s.installed()
	switch {
	case err != nil:
		return err
	case there == nil:
		return ErrNotInstalled
	case !s.runs():
		return ErrNotRunning
	}
	_, err = s.ctl(ctx, verb, unitName)
	return err
}

// Status tells of the service.
func (s *System) Status(ctx context.Context) (Status, error) {
	there, err := s.installed()
	if err != nil {
		return Status{}, err
	}
	status := Status{Installed: there, Manager: "systemd", Detail: "systemd does not run on this machine"}
	if there == nil || !s.runs() {
		return status, nil
	}
	active, _ := s.ctl(ctx, "is-active", unitName) // it fails where the answer is not "active"
	enabled, _ := s.ctl(ctx, "is-enabled", unitName)
	status.Detail, status.Running, status.Enabled = active, active == "active", enabled == "enabled"
	return status, nil
}

// runs says whether systemd runs, and can be asked.
func (s *System) runs() bool {
	_, err := os.Stat(s.booted)
	return err == nil && s.systemctl != ""
}

// installed reads the unit that systemd would take; nil where there is none.
func (s *System) installed() (*Installed, error) {
	for i, dir := range append([]string{s.units}, s.vendor...) {
		path := filepath.Join(dir, unitName)
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && info.Size() > maxUnit {
			err = fmt.Errorf("%d bytes are too many", info.Size())
		}
		var text []byte
		if err == nil {
			text, err = os.ReadFile(path)
		}
		if err != nil {
			return nil, fmt.Errorf("reading the unit %s: %w", path, err)
		}
		o, _ := readUnit(string(text)) // one of the owner's own hand tells nothing
		return &Installed{Options: o, Where: path, Packaged: i > 0}, nil
	}
	return nil, nil //nolint:nilnil // no unit is an answer here, not an error
}

func (s *System) same(path, text string) bool {
	data, err := os.ReadFile(path)
	return err == nil && string(data) == text
}

func (s *System) ctl(ctx context.Context, args ...string) (string, error) {
	return call(ctx, s.systemctl, append([]string{"--no-pager"}, args...)...)
}

// call runs a program and returns what it printed. Its error says what it wrote.
func call(ctx context.Context, path string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		return text, fmt.Errorf("running %s %s: %w: %s", filepath.Base(path), strings.Join(args, " "), err, text[:min(len(text), 1000)])
	}
	return text, nil
}
