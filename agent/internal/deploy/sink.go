package deploy

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/mantledeploy/mantle/api/step"
)

const (
	maxPath  = 1024
	maxDepth = 64
	maxName  = 255
)

// kind is what an archive has made at a name.
type kind int

const (
	folderMade kind = iota + 1
	fileMade
	linkMade
)

// sink makes what an archive lists, in a folder that was empty before. What it has made it knows by
// heart, so that it never writes through a link.
type sink struct {
	ctx     context.Context
	root    *os.Root
	gauge   *gauge
	made    map[string]kind
	entries int
	written int64 // by sparse files it can be more than was read
	buf     []byte
}

func newSink(ctx context.Context, root *os.Root, limits Limits) *sink {
	return &sink{ctx: ctx, root: root, gauge: &gauge{limits: limits}, made: map[string]kind{".": folderMade}, buf: make([]byte, 256<<10)}
}

// key is the name by which two entries collide on this system.
func key(name string) string {
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		return strings.ToLower(name)
	}
	return name
}

// entry counts an entry and gives its name in canonical form, or refuses it.
func (s *sink) entry(name string) (string, error) {
	s.entries++
	if s.entries > s.gauge.limits.Entries {
		return "", refuse("the archive lists more than %d entries", s.gauge.limits.Entries)
	}
	if err := context.Cause(s.ctx); err != nil {
		return "", err
	}
	switch {
	case name == "" || len(name) > maxPath:
		return "", refuse("the archive has a name of %d bytes", len(name))
	case name[0] == '/' || strings.ContainsRune(name, 0):
		return "", refuse("%q is not a path within the package", name)
	}
	if err := checkParts(name); err != nil {
		return "", err
	}
	clean := path.Clean(name)
	if !filepath.IsLocal(filepath.FromSlash(clean)) {
		return "", refuse("%q is not a path within the package", name)
	}
	if key(clean) == Marker {
		return "", refuse("%q is the name of the file that marks an installed package", name)
	}
	return clean, nil
}

func checkParts(name string) error {
	parts := strings.Split(strings.TrimRight(name, "/"), "/")
	if len(parts) > maxDepth {
		return refuse("%q is more than %d folders deep", name, maxDepth)
	}
	for _, part := range parts {
		if part == ".." || len(part) > maxName || runtime.GOOS == "windows" && !windowsName(part) {
			return refuse("%q has a part that a path within the package cannot have: %q", name, part)
		}
	}
	return nil
}

// windowsName tells whether Windows takes a part of a path for what it says.
func windowsName(part string) bool {
	return part == "." || !step.ReservedName(part) && !strings.ContainsAny(part, `\:*?"<>|`) &&
		!strings.HasSuffix(part, ".") && !strings.HasSuffix(part, " ")
}

// parents makes the folders above a name, and refuses a name below a file or a link.
func (s *sink) parents(name string) error {
	dir := path.Dir(name)
	switch s.made[key(dir)] {
	case folderMade:
		return nil
	case fileMade, linkMade:
		return refuse("%q lies below %q, which is no folder", name, dir)
	}
	if err := s.parents(dir); err != nil {
		return err
	}
	return s.mkdir(dir, 0o755)
}

func (s *sink) mkdir(name string, mode fs.FileMode) error {
	if err := s.root.Mkdir(name, mode|0o700); err != nil {
		return err
	}
	s.made[key(name)] = folderMade
	return nil
}

// fresh is entry for what may be listed only once, with the folders above it made.
func (s *sink) fresh(name string) (string, error) {
	name, err := s.entry(name)
	if err != nil {
		return "", err
	}
	if s.made[key(name)] != 0 {
		return "", refuse("%q is in the archive twice", name)
	}
	return name, s.parents(name)
}

func (s *sink) dir(name string, mode fs.FileMode) error {
	name, err := s.entry(name)
	if err != nil {
		return err
	}
	switch s.made[key(name)] {
	case folderMade:
		return nil
	case fileMade, linkMade:
		return refuse("%q is in the archive twice", name)
	}
	if err := s.parents(name); err != nil {
		return err
	}
	return s.mkdir(name, mode)
}

func (s *sink) file(name string, mode fs.FileMode, modified time.Time, r io.Reader) error {
	name, err := s.fresh(name)
	if err != nil {
		return err
	}
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode|0o400)
	if err != nil {
		return err
	}
	s.made[key(name)] = fileMade
	if err := errors.Join(s.copy(f, r), f.Close()); err != nil {
		return err
	}
	if modified.Unix() <= 0 {
		return nil
	}
	return s.root.Chtimes(name, modified, modified)
}

// copy copies a file's bytes, and tells a failure to read from one to write.
func (s *sink) copy(f *os.File, r io.Reader) error {
	for {
		n, err := r.Read(s.buf)
		s.written += int64(n)
		if s.written > s.gauge.limits.Bytes {
			return refuse("the archive unpacks to more than %d bytes", s.gauge.limits.Bytes)
		}
		if _, failed := f.Write(s.buf[:n]); failed != nil {
			return failed
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && (isRefusal(err) || s.ctx.Err() != nil):
			return err
		case err != nil:
			return &readingError{err}
		}
	}
}

// symlink makes a link that stays within the package.
func (s *sink) symlink(name, target string) error {
	name, err := s.fresh(name)
	if err != nil {
		return err
	}
	if !within(name, target) {
		return refuse("the link %q leads out of the package", name)
	}
	if err := s.root.Symlink(filepath.FromSlash(target), name); err != nil {
		return err
	}
	s.made[key(name)] = linkMade
	return nil
}

// within tells whether a link cannot lead out: it is relative, and has `..` only at its beginning and no
// further up than the package's folder. Every folder above a link is a real one, and every link that is
// met on the way is held to the same.
func within(name, target string) bool { //nolint:cyclop // the ways out of a folder stand together
	if target == "" || len(target) > maxPath || target[0] == '/' || strings.ContainsRune(target, 0) ||
		runtime.GOOS == "windows" && strings.ContainsAny(target, `\:`) {
		return false
	}
	up, down := strings.Count(name, "/"), false
	for part := range strings.SplitSeq(target, "/") {
		switch part {
		case "", ".":
		case "..":
			up--
			if down || up < 0 {
				return false
			}
		default:
			down = true
		}
	}
	return true
}

// hardlink makes another name of a file that this archive has made.
func (s *sink) hardlink(name, target string) error {
	name, err := s.fresh(name)
	if err != nil {
		return err
	}
	if old := path.Clean(target); target == "" || s.made[key(old)] != fileMade {
		return refuse("the hard link %q is to %q, which is no file before it in the archive", name, target)
	} else if err := s.root.Link(old, name); err != nil {
		return err
	}
	s.made[key(name)] = fileMade
	return nil
}
