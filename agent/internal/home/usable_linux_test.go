package home

import (
	"errors"
	"os"
	"strings"
	"testing"
)

func TestWhatTheDaemonsUserCannotUseIsNamedWithTheCommandThatMendsIt(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make files of others")
	}
	const daemon, other = 23456, 23457 // without names
	h := newHome(t)
	if err := os.Chown(h.State(), daemon, daemon); err != nil {
		t.Fatal(err)
	}
	path := h.Policy()
	if err := h.CheckReadable(path); err != nil {
		t.Errorf("a file that is not there: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		uid, gid int
		mode     os.FileMode
		change   bool
		remedy   string
	}{
		"its own":              {daemon, daemon, 0o600, true, ""},
		"closed to its owner":  {daemon, daemon, 0o200, false, "chmod u+rwX " + path},
		"root's":               {0, 0, 0o600, false, "chown 23456 " + path},
		"another's":            {other, other, 0o600, false, "chown 23456 " + path},
		"root's group's":       {0, 0, 0o640, false, "chown 23456 " + path},
		"everybody's":          {0, 0, 0o644, false, ""},
		"everybody's to write": {0, 0, 0o644, true, "chown 23456 " + path},
		"the group's":          {0, daemon, 0o640, false, ""},
	} {
		if err := errors.Join(os.Chown(path, c.uid, c.gid), os.Chmod(path, c.mode)); err != nil {
			t.Fatal(err)
		}
		check := h.CheckReadable
		if c.change {
			check = h.CheckChangeable
		}
		err := check(path)
		unusable, _ := errors.AsType[*UnusableError](err)
		switch {
		case c.remedy == "" && err == nil:
		case unusable == nil || unusable.Remedy() != c.remedy || !strings.Contains(err.Error(), "23456, cannot use it"):
			t.Errorf("%s: %v (%+v), want %q", name, err, unusable, c.remedy)
		}
	}
}
