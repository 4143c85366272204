package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/journal"
	"github.com/mantledeploy/mantle/api/archive"
	"github.com/mantledeploy/mantle/api/step"
)

// Current is the link beside the versions of a package that points to the one that is installed.
const Current = "current"

// Marker is the file in each installed folder that says what it is.
const Marker = archive.Marker

const (
	stagingPrefix = ".staging-"
	linkPrefix    = ".current-"
	maxSame       = 1000 // folders of one version
)

// The points of an installation at which Options.At is called, in this order.
const (
	PointUnpacked = "unpacked"
	PointNamed    = "named"
	PointLinked   = "linked"
	PointSwitched = "switched"
)

// Error is a failure with a reason of api/step.
type Error struct {
	Reason string
	Err    error
}

// Error is the text of what went wrong.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap is what went wrong.
func (e *Error) Unwrap() error { return e.Err }

func refuse(format string, args ...any) error {
	return &Error{step.ReasonPackageRefused, fmt.Errorf(format, args...)}
}

// Options are what a test changes.
type Options struct {
	Limits Limits
	// At is called after each point was reached; it may end the process.
	At func(point string)
}

func (o Options) at(point string) {
	if o.At != nil {
		o.At(point)
	}
}

// marker is the content of Marker. It holds no value of a variable.
type marker struct {
	Namespace   string    `json:"namespace"`
	Environment string    `json:"environment"`
	Project     string    `json:"project"`
	Release     string    `json:"release"`
	RunUID      string    `json:"runUID"`
	Package     string    `json:"package"`
	Version     string    `json:"version"`
	Content     string    `json:"content"`
	Time        time.Time `json:"time"`
}

// folder is where the versions of the plan's package are, below the folder of applications.
func folder(p step.Plan) string {
	return path.Join(p.Namespace, p.Environment, p.Project, p.Deploy.Package)
}

// Directory is the absolute path of a folder that Install or Installed has named.
func Directory(home, relative string) string {
	return filepath.Join(home, journal.Folder, filepath.FromSlash(relative))
}

// Relative is the folder, relative to that of applications, of the absolute path of one that Install may give to the plan's
// package; false if dir is none.
func Relative(home string, p step.Plan, dir string) (relative string, ok bool) {
	name, within := strings.CutPrefix(dir, Directory(home, folder(p))+string(filepath.Separator))
	for i := range maxSame {
		if within && name == numbered(p.Deploy.Version, i) {
			return path.Join(folder(p), name), true
		}
	}
	return "", false
}

// numbered is the name of a folder of a version, where so many of the same are there already.
func numbered(version string, same int) string {
	if same == 0 {
		return version
	}
	return fmt.Sprintf("%s_%d", version, same)
}

// Install unpacks the plan's package and makes it current. It returns the folder, relative to the
// folder of applications, with forward slashes. When ctx ends it stops and leaves nothing behind.
func Install(ctx context.Context, home string, p step.Plan, o Options) (relative string, err error) {
	homeRoot, err := os.OpenRoot(home)
	if err != nil {
		return "", fmt.Errorf("opening the home: %w", err)
	}
	defer homeRoot.Close()
	content, err := openContent(homeRoot, p.Deploy.Content)
	if err != nil {
		return "", err
	}
	defer content.Close()
	versions, err := openVersions(homeRoot, folder(p))
	if err != nil {
		return "", err
	}
	defer versions.Close()
	staging, err := stage(ctx, versions, content, p, o)
	if err != nil {
		var e *Error
		if errors.As(err, &e) && e.Reason == step.ReasonContentCorrupt {
			err = errors.Join(err, forget(homeRoot, p.Deploy.Content))
		}
		return "", err
	}
	o.at(PointUnpacked)
	if err := remember(homeRoot, p.Deploy.Content, content); err != nil {
		return "", errors.Join(err, versions.RemoveAll(staging))
	}
	name, err := rename(versions, staging, p.Deploy.Version)
	if err != nil {
		return "", errors.Join(err, versions.RemoveAll(staging))
	}
	o.at(PointNamed)
	if err := switchCurrent(versions, name, o); err != nil {
		return "", err
	}
	o.at(PointSwitched)
	return path.Join(folder(p), name), nil
}

// openVersions makes and opens the folder of a package, and clears what died processes left in it.
func openVersions(home *os.Root, relative string) (*os.Root, error) {
	at := path.Join(journal.Folder, relative)
	for i, c := range at + "/" {
		if c != '/' {
			continue
		}
		if err := makeFolder(home, at[:i], 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("making the package's folder: %w", err)
		}
	}
	versions, err := home.OpenRoot(at)
	if err != nil {
		return nil, fmt.Errorf("opening the package's folder: %w", err)
	}
	entries, err := fs.ReadDir(versions.FS(), ".")
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), stagingPrefix) || strings.HasPrefix(e.Name(), linkPrefix) {
			err = errors.Join(err, versions.RemoveAll(e.Name()))
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("clearing the package's folder: %w", err), versions.Close())
	}
	return versions, nil
}

// stage unpacks into a new folder, marks it, and puts it on the disk.
func stage(ctx context.Context, versions *os.Root, content *os.File, p step.Plan, o Options) (_ string, err error) {
	name := stagingPrefix + randomName()
	if err := makeFolder(versions, name, 0o755); err != nil {
		return "", fmt.Errorf("making a folder to unpack to: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, versions.RemoveAll(name))
		}
	}()
	root, err := versions.OpenRoot(name)
	if err != nil {
		return "", fmt.Errorf("opening the folder to unpack to: %w", err)
	}
	defer root.Close()
	s := newSink(ctx, root, filepath.Join(versions.Name(), p.Deploy.Version), o.Limits)
	if err := unpack(ctx, content, p.Deploy.Content, s); err != nil {
		return "", err
	}
	data, err := json.MarshalIndent(marker{p.Namespace, p.Environment, p.Project, p.Release, p.RunUID, p.Deploy.Package,
		p.Deploy.Version, p.Deploy.Content.SHA256, time.Now().UTC()}, "", "  ")
	if err != nil {
		return "", fmt.Errorf("encoding the marker: %w", err)
	}
	if err := errors.Join(root.WriteFile(Marker, append(data, '\n'), 0o644), setMode(root, Marker, 0o644)); err != nil {
		return "", fmt.Errorf("writing the marker: %w", err)
	}
	if err := syncTree(root, s.judge.Entries()); err != nil {
		return "", fmt.Errorf("putting the package on the disk: %w", err)
	}
	return name, nil
}

// rename gives the finished folder the first free name of its version.
func rename(versions *os.Root, staging, version string) (string, error) {
	for i := range maxSame {
		name := numbered(version, i)
		_, err := versions.Lstat(name)
		if err == nil {
			continue
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("looking for a free name: %w", err)
		}
		if err := versions.Rename(staging, name); err != nil {
			return "", fmt.Errorf("naming the package's folder: %w", err)
		}
		return name, syncDir(versions)
	}
	return "", fmt.Errorf("there are %d folders of version %s already; remove some", maxSame, version)
}

// switchCurrent lets the link point to a version, by making another link and renaming it.
func switchCurrent(versions *os.Root, name string, o Options) error {
	info, err := versions.Lstat(Current)
	if err == nil && info.Mode()&(fs.ModeSymlink|fs.ModeIrregular) == 0 {
		return fmt.Errorf("%s in %s is not a link; remove it", Current, versions.Name())
	}
	temporary := linkPrefix + randomName()
	if err := makeLink(versions, name, temporary); err != nil {
		return fmt.Errorf("making the link to the current version: %w", err)
	}
	o.at(PointLinked)
	if err := replaceLink(versions, temporary, Current); err != nil {
		return errors.Join(fmt.Errorf("switching to the current version: %w", err), versions.Remove(temporary))
	}
	return syncDir(versions)
}

// syncDir puts the names in a folder on the disk.
func syncDir(root *os.Root) error {
	d, err := root.Open(".")
	if err != nil {
		return fmt.Errorf("opening a folder: %w", err)
	}
	if err := errors.Join(syncNames(d), d.Close()); err != nil {
		return fmt.Errorf("putting a folder on the disk: %w", err)
	}
	return nil
}
