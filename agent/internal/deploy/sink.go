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

	"github.com/mantledeploy/mantle/api/archive"
	"github.com/mantledeploy/mantle/api/step"
)

// sink makes what an archive lists, in a folder that was empty before. The judge knows what it has made, so
// that it never writes through a link.
type sink struct {
	ctx     context.Context
	root    *os.Root
	above   string // the final folder, absolute
	limits  Limits
	gauge   *archive.Gauge
	judge   *archive.Judge
	written int64 // by sparse files it can be more than was read
	buf     []byte
}

// maxAbsolute is the longest path that a system takes, without the zero behind it; on Windows and macOS less is usual, but more is
// possible.
const maxAbsolute = 4095

// newSink begins in root, which will have the absolute path above.
func newSink(ctx context.Context, root *os.Root, above string, limits Limits) *sink {
	limits = limits.OrDefault()
	return &sink{ctx: ctx, root: root, above: above, limits: limits, gauge: archive.NewGauge(limits), judge: archive.NewJudge(limits, system()), buf: make([]byte, 256<<10)}
}

// system is what this machine's system makes of names.
func system() archive.System {
	s := archive.System{FoldCase: runtime.GOOS == "windows" || runtime.GOOS == "darwin"}
	if runtime.GOOS == "windows" {
		s.Refuses = func(part string) bool { return !windowsName(part) }
		s.LinkCharacters = `\:`
	}
	return s
}

// windowsName tells whether Windows takes a part of a path for what it says.
func windowsName(part string) bool {
	return part == "." || !step.ReservedName(part) && !strings.ContainsAny(part, `\:*?"<>|`) &&
		!strings.HasSuffix(part, ".") && !strings.HasSuffix(part, " ")
}

// add makes an entry, whose content is r.
func (s *sink) add(e archive.Entry, modified time.Time, r io.Reader) error {
	if err := context.Cause(s.ctx); err != nil {
		return err
	}
	made, err := s.judge.Entry(e)
	if err != nil {
		return refuse("%w", err)
	}
	if len(s.above)+1+len(made.Name) > maxAbsolute {
		return refuse("%q, in %s, would be a path of more than the %d bytes that this system takes: give the Tentacle a home with a shorter path, or the package shorter names", made.Name, s.above, maxAbsolute)
	}
	if made.Nothing {
		if e.Kind == archive.Folder {
			return setMode(s.root, made.Name, e.Mode)
		}
		return nil
	}
	return s.make(e, made, modified, r)
}

// make makes what the judge has said of an entry.
func (s *sink) make(e archive.Entry, made archive.Made, modified time.Time, r io.Reader) error {
	for _, dir := range made.Folders {
		if err := makeFolder(s.root, dir, 0o755); err != nil {
			return err
		}
	}
	if made.Replaces {
		if err := s.root.Remove(made.Name); err != nil {
			return err
		}
	}
	switch e.Kind {
	case archive.Folder:
		return makeFolder(s.root, made.Name, e.Mode)
	case archive.Symlink:
		return s.root.Symlink(filepath.FromSlash(e.Link), made.Name)
	case archive.Hardlink:
		return s.root.Link(path.Clean(e.Link), made.Name)
	default:
		return s.file(made.Name, e, modified, r)
	}
}

// makeFolder makes a folder with a mode that no umask takes from.
func makeFolder(root *os.Root, name string, mode fs.FileMode) error {
	if err := root.Mkdir(name, 0o700); err != nil {
		return err
	}
	return setMode(root, name, mode)
}

func (s *sink) file(name string, e archive.Entry, modified time.Time, r io.Reader) error {
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	head, err := s.copy(f, r)
	if e.NoMode {
		e.Mode = archive.DefaultMode(head)
	}
	if err := errors.Join(err, setFileMode(f, e.Mode), f.Close()); err != nil {
		return err
	}
	if modified.Unix() <= 0 {
		return nil
	}
	return s.root.Chtimes(name, modified, modified)
}

// headSize is how much of a file's beginning tells what it is.
const headSize = 4

// copy copies a file's bytes, and tells a failure to read from one to write. It returns how the file begins.
func (s *sink) copy(f *os.File, r io.Reader) (head []byte, err error) {
	for {
		n, err := r.Read(s.buf)
		s.written += int64(n)
		if s.written > s.limits.Bytes {
			return nil, refuse("the archive unpacks to more than %d bytes", s.limits.Bytes)
		}
		head = append(head, s.buf[:min(n, headSize-len(head))]...)
		if _, failed := f.Write(s.buf[:n]); failed != nil {
			return nil, failed
		}
		switch {
		case errors.Is(err, io.EOF):
			return head, nil
		case err != nil && (isRefusal(err) || s.ctx.Err() != nil):
			return nil, err
		case err != nil:
			return nil, &readingError{err}
		}
	}
}
