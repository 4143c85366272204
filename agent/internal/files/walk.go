package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mantledeploy/mantle/agent/internal/home"
)

// maxLinks is how many links one path may lead through.
const maxLinks = 40

// place is where a path led: an open folder and a name in it. The name may not exist. Close it.
type place struct {
	folder *os.Root
	name   string
	// info is what the name is, without following it; nil where it does not exist.
	info fs.FileInfo
	// opened holds folder and those above it, each opened by this walk.
	opened []*os.Root
}

func (p *place) close() {
	for _, r := range p.opened {
		_ = r.Close()
	}
}

// walker goes from the home to a place, following links itself.
type walker struct {
	store  *Store
	text   string
	make   bool // make folders that are missing
	follow bool // follow a link at the end too
	stack  []*os.Root
	steps  int
	links  int
}

// walk goes along parts. A folder that is missing is fs.ErrNotExist unless it is to be made.
func (s *Store) walk(text string, parts []string, makeFolders, followLast bool) (*place, error) {
	w := &walker{store: s, text: text, make: makeFolders, follow: followLast}
	p, err := w.run(parts)
	if err != nil {
		(&place{opened: w.stack}).close()
		return nil, err
	}
	p.opened = w.stack
	return p, nil
}

func (w *walker) top() *os.Root {
	if len(w.stack) == 0 {
		return w.store.root
	}
	return w.stack[len(w.stack)-1]
}

func (w *walker) up() error {
	if len(w.stack) == 0 {
		return refuse(w.text, "a link leads out of the home")
	}
	_ = w.top().Close()
	w.stack = w.stack[:len(w.stack)-1]
	return nil
}

func (w *walker) run(todo []string) (*place, error) { //nolint:cyclop // one step of a path, whatever it is
	for len(todo) > 0 {
		if w.steps++; w.steps > maxDepth*2 {
			return nil, refuse(w.text, "it leads through too many folders")
		}
		name := todo[0]
		todo = todo[1:]
		if name == "" || name == "." {
			continue
		}
		if name == ".." {
			if err := w.up(); err != nil {
				return nil, err
			}
			continue
		}
		info, err := w.look(name, len(todo) == 0)
		if err != nil {
			return nil, err
		}
		last := len(todo) == 0
		switch {
		case info != nil && info.Mode()&fs.ModeSymlink != 0 && (!last || w.follow):
			if todo, err = w.link(name, todo); err != nil {
				return nil, err
			}
		case last:
			return &place{folder: w.top(), name: name, info: info}, nil
		default:
			if err := w.down(name, info); err != nil {
				return nil, err
			}
		}
	}
	return w.here()
}

// here is the place for a path that ends in a folder itself, as a link to ".." does.
func (w *walker) here() (*place, error) {
	info, err := w.top().Stat(".")
	if err != nil {
		return nil, fmt.Errorf("looking at %.200q: %w", w.text, err)
	}
	return &place{folder: w.top(), name: ".", info: info}, nil
}

// look tells what name is. It makes a missing folder where that was asked for, and returns nil for
// a missing last name.
func (w *walker) look(name string, last bool) (fs.FileInfo, error) {
	info, err := w.top().Lstat(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return info, err
	}
	if last {
		return nil, nil
	}
	if !w.make {
		return nil, err
	}
	if err := w.top().Mkdir(name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("making folder: %w", err)
	}
	return w.top().Lstat(name)
}

// link replaces name by where it points to.
func (w *walker) link(name string, todo []string) ([]string, error) {
	if w.links++; w.links > maxLinks {
		return nil, refuse(w.text, "it leads through too many links")
	}
	target, err := w.top().Readlink(name)
	if err != nil {
		return nil, fmt.Errorf("reading a link: %w", err)
	}
	if !filepath.IsAbs(target) && !strings.HasPrefix(target, "/") {
		return append(strings.Split(filepath.ToSlash(target), "/"), todo...), nil
	}
	parts, err := w.store.spelling.parse(target)
	if err != nil {
		return nil, refuse(w.text, "a link leads out of the home or into a closed folder")
	}
	for len(w.stack) > 0 {
		if err := w.up(); err != nil {
			return nil, err
		}
	}
	return append(parts, todo...), nil
}

// down opens the folder name and makes sure that it is what info says, and not a closed one.
func (w *walker) down(name string, info fs.FileInfo) error {
	if !info.IsDir() {
		return refuse(w.text, fmt.Sprintf("%s is not a folder", name))
	}
	folder, err := w.top().OpenRoot(name)
	if err != nil {
		return fmt.Errorf("opening folder: %w", err)
	}
	w.stack = append(w.stack, folder)
	opened, err := folder.Stat(".")
	if err != nil {
		return fmt.Errorf("opening folder: %w", err)
	}
	if !os.SameFile(info, opened) {
		return refuse(w.text, fmt.Sprintf("%s was replaced while it was opened", name))
	}
	for _, closedName := range []string{home.StateFolder, home.WorkFolder} {
		c, err := w.store.root.Stat(closedName)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("looking at %s: %w", closedName, err)
		}
		if os.SameFile(c, opened) {
			return refuse(w.text, fmt.Sprintf("it leads into %s, which is closed to operators", closedName))
		}
	}
	return nil
}
