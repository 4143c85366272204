package doctor

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mantledeploy/mantle/agent/internal/home"
)

// maxState is how many state files are looked at. A machine keeps tickets of 30 days.
const maxState = 50_000

// written are the state files, and folders of them, that the daemon writes to in place; others it reads or replaces.
var written = []string{"lock", "daemon", "audit"}

// unusable finds state files that the daemon's user cannot use, one of each folder. The policy has a check of its own.
func unusable(m Machine) []Finding {
	var all []Finding
	entries, err := os.ReadDir(m.Home.State())
	if err != nil {
		return bad(Fail, "run this as the user to whom the home belongs", "%v", err)
	}
	left := maxState
	for _, e := range entries {
		path := m.Home.State(e.Name())
		if path == m.Home.Policy() || strings.HasPrefix(e.Name(), ".") { // a file that is being written has such a name
			continue
		}
		count, first := unusableIn(m.Home, path, &left)
		switch {
		case first == nil:
		case e.IsDir():
			remedy := remedyOf(first)
			if u, ok := errors.AsType[*home.UnusableError](first); ok {
				remedy = u.RemedyFor(path)
			}
			all = append(all, bad(Fail, remedy, "of %s, %d cannot be used; the first: %v", path, count, first)...)
		default:
			all = append(all, bad(Fail, remedyOf(first), "%v", first)...)
		}
	}
	return all
}

// unusableIn looks at a file, or at all in a folder, and returns how many cannot be used, and the first of those.
func unusableIn(h home.Home, top string, left *int) (count int, first error) {
	check := h.CheckReadable
	if slices.Contains(written, filepath.Base(top)) {
		check = h.CheckChangeable
	}
	_ = filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if *left--; *left < 0 {
			return fs.SkipAll
		}
		if errors.Is(err, fs.ErrNotExist) || d != nil && !d.IsDir() && !d.Type().IsRegular() {
			return nil // gone by now, or no file of ours
		}
		if err == nil {
			err = check(path)
		}
		if err != nil {
			if count++; first == nil {
				first = err
			}
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
		}
		return nil
	})
	return count, first
}

// remedyOf is what mends a file that the daemon cannot use.
func remedyOf(err error) string {
	if u, ok := errors.AsType[*home.UnusableError](err); ok {
		return u.Remedy()
	}
	return "run this as the user to whom the home belongs, or as root"
}
