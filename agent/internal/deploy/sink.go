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
	limits  Limits
	gauge   *archive.Gauge
	judge   *archive.Judge
	written int64 // by sparse files it can be more than was read
	buf     []byte
}

func newSink(ctx context.Context, root *os.Root, limits Limits) *sink {
	limits = limits.OrDefault()
	return &sink{ctx: ctx, root: root, limits: limits, gauge: archive.NewGauge(limits), judge: archive.NewJudge(limits, system()), buf: make([]byte, 256<<10)}
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
	if made.Nothing {
		return nil
	}
	for _, dir := range made.Folders {
		if err := s.root.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	switch e.Kind {
	case archive.Folder:
		return s.root.Mkdir(made.Name, e.Mode|0o700)
	case archive.Symlink:
		return s.root.Symlink(filepath.FromSlash(e.Link), made.Name)
	case archive.Hardlink:
		return s.root.Link(path.Clean(e.Link), made.Name)
	default:
		return s.file(made.Name, e.Mode, modified, r)
	}
}

func (s *sink) file(name string, mode fs.FileMode, modified time.Time, r io.Reader) error {
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode|0o400)
	if err != nil {
		return err
	}
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
		if s.written > s.limits.Bytes {
			return refuse("the archive unpacks to more than %d bytes", s.limits.Bytes)
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
