package archive

import (
	"crypto/sha256"
	"encoding/binary"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Marker is the file by which a machine marks an installed package; no archive may have it at its root.
const Marker = ".mantle-deployment.json"

// The bounds of a name.
const (
	maxPath  = 1024
	MaxDepth = 64
	MaxName  = 255
)

// System is what the rules depend on beside the archive.
type System struct {
	// FoldCase makes names one that differ in nothing but case.
	FoldCase bool
	// Refuses tells of a part of a name that the system takes for something else than a name; nil refuses none.
	Refuses func(part string) bool
	// LinkCharacters are those that a link's target must not have, as they would let it leave.
	LinkCharacters string
}

// Made is what an entry makes.
type Made struct {
	// Name is the entry's, in canonical form: with slashes, relative, without `.` and `..`.
	Name string
	// Folders are those above it that the archive did not list before, outermost first.
	Folders []string
	// Nothing is true where there is nothing to make: a folder that is there, whose mode becomes this entry's, or a hard
	// link of a file to itself.
	Nothing bool
	// Replaces is true where a file or a link of this name is there, and goes first.
	Replaces bool
}

// Judge judges the entries of one archive, in their order.
type Judge struct {
	limits  Limits
	system  System
	entries int
	bytes   int64
	// made has what was made of each name, by its digest: names can be long, and many.
	made map[[16]byte]one
}

// one is what was made of a name.
type one struct {
	kind Kind
	// spelled is of the name as it was written, where others are one with it.
	spelled uint64
}

// NewJudge begins with an empty package.
func NewJudge(limits Limits, system System) *Judge {
	j := &Judge{limits: limits.OrDefault(), system: system, made: map[[16]byte]one{}}
	j.made[j.key(".")] = j.one(".", Folder)
	return j
}

// Entries is how many were judged.
func (j *Judge) Entries() int { return j.entries }

// key is the name by which two entries collide on this system.
func (j *Judge) key(name string) [16]byte {
	if j.system.FoldCase {
		name = strings.ToLower(name)
	}
	sum := sha256.Sum256([]byte(name))
	return [16]byte(sum[:16])
}

// one is what becomes of a name.
func (j *Judge) one(name string, kind Kind) one {
	if !j.system.FoldCase {
		return one{kind: kind}
	}
	sum := sha256.Sum256([]byte(name))
	return one{kind, binary.BigEndian.Uint64(sum[:])}
}

// Entry says what an entry makes. The error is a RefusedError that names it.
func (j *Judge) Entry(e Entry) (Made, error) {
	if j.entries++; j.entries > j.limits.Entries {
		return Made{}, refuse("the archive lists more than %d entries", j.limits.Entries)
	}
	switch e.Kind {
	case Note:
		return Made{Nothing: true}, nil
	case Other:
		return Made{}, refuse("%q is neither a file, a folder nor a link (%s)", e.Name, e.what)
	}
	name, err := j.name(e.Name)
	if err != nil {
		return Made{}, err
	}
	return j.named(name, e)
}

// named says what an entry with a name in canonical form makes.
func (j *Judge) named(name string, e Entry) (Made, error) {
	switch e.Kind {
	case Folder:
		if j.made[j.key(name)].kind == Folder {
			return Made{Name: name, Nothing: true}, nil
		}
	case Hardlink:
		return j.hardlink(name, e.Link)
	case Symlink:
		if !j.within(name, e.Link) {
			return Made{}, refuse("the link %q leads out of the package", name)
		}
	default:
		if e.Size < 0 || e.Size > j.limits.Bytes-j.bytes {
			return Made{}, refuse("%q unpacks to more than the %d bytes that a package may have", name, j.limits.Bytes)
		}
		j.bytes += e.Size
	}
	return j.fresh(name, e.Kind)
}

func (j *Judge) hardlink(name, target string) (Made, error) {
	old := path.Clean(target)
	if target == "" || j.made[j.key(old)].kind != File {
		return Made{}, refuse("the hard link %q is to %q, which is no file before it in the archive", name, target)
	}
	if j.key(old) == j.key(name) {
		return Made{Name: name, Nothing: true}, nil
	}
	return j.fresh(name, File)
}

// name gives a name in canonical form.
func (j *Judge) name(name string) (string, error) {
	switch {
	case name == "" || len(name) > maxPath:
		return "", refuse("the archive has a name of %d bytes", len(name))
	case name[0] == '/' || strings.ContainsRune(name, 0):
		return "", refuse("%q is not a path within the package", name)
	}
	if err := j.parts(name); err != nil {
		return "", err
	}
	clean := path.Clean(name)
	if !filepath.IsLocal(filepath.FromSlash(clean)) {
		return "", refuse("%q is not a path within the package", name)
	}
	if j.key(clean) == j.key(Marker) {
		return "", refuse("%q is the name of the file that marks an installed package", name)
	}
	return clean, nil
}

func (j *Judge) parts(name string) error {
	parts := strings.Split(strings.TrimRight(name, "/"), "/")
	if len(parts) > MaxDepth {
		return refuse("%q is more than %d folders deep", name, MaxDepth)
	}
	for _, part := range parts {
		if part == ".." || len(part) > MaxName || j.system.Refuses != nil && j.system.Refuses(part) {
			return refuse("%q has a part that a path within the package cannot have: %q", name, part)
		}
	}
	return nil
}

// fresh makes a name anew, and the folders above it.
func (j *Judge) fresh(name string, kind Kind) (Made, error) {
	made, now := Made{Name: name}, j.one(name, kind)
	switch old := j.made[j.key(name)]; {
	case old.kind == Folder:
		return Made{}, refuse("%q is in the archive as a folder too", name)
	case old.kind != Other && old.spelled != now.spelled:
		return Made{}, refuse("%q is in the archive twice, with other capitals, which are one name on this system", name)
	default:
		made.Replaces = old.kind != Other
	}
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		above := j.made[j.key(dir)].kind
		if above == Folder {
			break
		}
		if above != Other {
			return Made{}, refuse("%q lies below %q, which is no folder", name, dir)
		}
		made.Folders = append(made.Folders, dir)
	}
	slices.Reverse(made.Folders)
	if len(j.made)+len(made.Folders) > 2*j.limits.Entries {
		return Made{}, refuse("the archive makes more than %d files and folders", 2*j.limits.Entries)
	}
	for _, dir := range made.Folders {
		j.made[j.key(dir)] = j.one(dir, Folder)
	}
	j.made[j.key(name)] = now
	return made, nil
}

// within tells whether a link cannot lead out: it is relative, and has `..` only at its beginning and no further up than
// the package's folder. Every folder above a link is a real one, and every link that is met on the way is held to the same.
func (j *Judge) within(name, target string) bool {
	if target == "" || len(target) > maxPath || target[0] == '/' || strings.ContainsRune(target, 0) || strings.ContainsAny(target, j.system.LinkCharacters) {
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
