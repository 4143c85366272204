package home

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAHomeThatOthersCouldChangeIsNotTrusted(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files to others")
	}
	const daemon, other = 23456, 34567
	for name, c := range map[string]struct {
		uid     int
		spoil   func(h Home) error
		path    func(h Home) string
		remedy  string
		trusted bool
	}{
		"all is root's":               {spoil: func(Home) error { return nil }, trusted: true},
		"all is the daemon's":         {uid: daemon, spoil: func(h Home) error { return give(daemon, h.Dir(), h.State()) }, trusted: true},
		"the daemon user's own group": {uid: daemon, spoil: func(h Home) error { return errors.Join(give(daemon, h.Dir(), h.State()), os.Chmod(h.Dir(), 0o775)) }, trusted: true},
		"a sticky folder above":       {spoil: func(h Home) error { return os.Chmod(filepath.Dir(h.Dir()), 0o777|os.ModeSticky) }, trusted: true},
		"the state is another's":      {spoil: func(h Home) error { return give(other, h.State()) }, path: func(h Home) string { return h.State() }, remedy: "chown -R root"},
		"trust is another's": {spoil: func(h Home) error { return errors.Join(os.WriteFile(h.Trust(), nil, 0o600), give(other, h.Trust())) },
			path: Home.Trust, remedy: "chown -R root"},
		"root's daemon, another user's home": {spoil: func(h Home) error { return give(daemon, h.Dir(), h.State()) }, path: func(h Home) string { return h.State() }, remedy: "or run the daemon as 23456"},
		"the home is another's":              {spoil: func(h Home) error { return give(other, h.Dir()) }, path: Home.Dir, remedy: "chown root"},
		"the home can be written":            {spoil: func(h Home) error { return os.Chmod(h.Dir(), 0o777) }, path: Home.Dir, remedy: "chmod go-w"},
		"the home is a sticky folder":        {spoil: func(h Home) error { return os.Chmod(h.Dir(), 0o777|os.ModeSticky) }, path: Home.Dir, remedy: "chmod go-w"},
		"a group can write to the folder above": {spoil: func(h Home) error { return os.Chmod(filepath.Dir(h.Dir()), 0o775) },
			path: func(h Home) string { return filepath.Dir(h.Dir()) }, remedy: "chmod go-w"},
		"the folder above is another's": {spoil: func(h Home) error { return give(other, filepath.Dir(h.Dir())) }, path: func(h Home) string { return filepath.Dir(h.Dir()) }, remedy: "chown root"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			if err := c.spoil(h); err != nil {
				t.Fatal(err)
			}
			err := h.CheckTrusted(c.uid)
			if c.trusted {
				if err != nil {
					t.Errorf("it is refused: %v", err)
				}
				return
			}
			exposed, ok := errors.AsType[*ExposedError](err)
			if !ok || !errors.Is(err, ErrUnsafe) {
				t.Fatalf("it is trusted, or refused for another reason: %v", err)
			}
			if exposed.Path != c.path(h) || !strings.Contains(exposed.Remedy(), c.remedy) {
				t.Errorf("%v, remedy %q; want %s and %q", exposed, exposed.Remedy(), c.path(h), c.remedy)
			}
		})
	}
}

func give(uid int, paths ...string) error {
	var errs []error
	for _, p := range paths {
		errs = append(errs, os.Chown(p, uid, uid))
	}
	return errors.Join(errs...)
}

func TestAProgramThatOthersCouldReplaceIsNoService(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files to others")
	}
	const daemon, other = 23456, 34567
	for name, c := range map[string]struct {
		spoil   func(folder, program string) error
		trusted bool
	}{
		"all is root's":              {func(_, _ string) error { return nil }, true},
		"it is the daemon's":         {func(_, program string) error { return give(daemon, program) }, true},
		"it is another's":            {func(_, program string) error { return give(other, program) }, false},
		"all can write it":           {func(_, program string) error { return os.Chmod(program, 0o777) }, false},
		"its folder is another's":    {func(folder, _ string) error { return give(other, folder) }, false},
		"all can write its folder":   {func(folder, _ string) error { return os.Chmod(folder, 0o777) }, false},
		"its folder is one like tmp": {func(folder, _ string) error { return os.Chmod(folder, 0o777|os.ModeSticky) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			program := filepath.Join(folder, "tentacle")
			if err := errors.Join(os.WriteFile(program, nil, 0o755), c.spoil(folder, program)); err != nil {
				t.Fatal(err)
			}
			err := CheckProgram(program, daemon)
			exposed, ok := errors.AsType[*ExposedError](err)
			if ok == c.trusted || err != nil && !ok {
				t.Errorf("trusted %v: %v", !ok, err)
			}
			if ok && !strings.Contains(exposed.Remedy(), "/usr/local/bin") {
				t.Errorf("remedy %q", exposed.Remedy())
			}
		})
	}
}
