//go:build linux

package scripts

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
)

// disk is what a file system holds in memory and on the disk, as far as POSIX promises it: the content of a file is on the disk
// when the file was synced, a name when its folder was. Of the rest anything may have been written, in any order.
type disk struct {
	names map[string]*inode   // by path, as programs see it
	kept  map[string]*inode   // by path, as the disk has it for sure
	ops   map[string][]nameOp // by folder: what was done to its names since
}

// inode is a file, or a folder if content is nil.
type inode struct {
	folder bool
	now    []byte
	synced []byte
	was    [][]byte // contents since it was synced
}

// nameOp gives the name to an inode, or removes it; a rename has from, too.
type nameOp struct {
	name, from string
	to         *inode
}

func newDisk(root string) *disk {
	d := &disk{names: map[string]*inode{}, kept: map[string]*inode{}, ops: map[string][]nameOp{}}
	d.names[root] = &inode{folder: true}
	d.kept[root] = d.names[root]
	return d
}

func (d *disk) name(op nameOp) {
	folder := filepath.Dir(op.name)
	d.ops[folder] = append(d.ops[folder], op)
	op.apply(d.names)
}

func (op nameOp) apply(names map[string]*inode) {
	if op.from != "" {
		delete(names, op.from)
	}
	if op.to == nil {
		delete(names, op.name)
	} else {
		names[op.name] = op.to
	}
}

// change gives a file another content.
func (d *disk) change(path string, f func([]byte) []byte) {
	if n := d.names[path]; n != nil {
		n.was = append(n.was, n.now)
		n.now = f(bytes.Clone(n.now))
	}
}

// sync is the sync of a file or of a folder. What is synced is what was there when the sync began.
func (d *disk) sync(path string) (begun func()) {
	n := d.names[path]
	if n == nil {
		return func() {}
	}
	now, ops := n.now, len(d.ops[path])
	return func() {
		if !n.folder {
			n.synced, n.was = now, nil
			return
		}
		ops = min(ops, len(d.ops[path]))
		for _, op := range d.ops[path][:ops] {
			op.apply(d.kept)
		}
		d.ops[path] = d.ops[path][ops:]
	}
}

// cut is what a power cut leaves of what was not synced.
type cut struct {
	name  string
	named func() bool // whether a change of a name was written
	// content chooses among the contents that a file may have: what was synced last, and what it had since.
	content func(synced []byte, since [][]byte) []byte
}

func always(b bool) func() bool { return func() bool { return b } }

func last(all [][]byte) []byte { return all[len(all)-1] }

// cuts are the ways in which the power may fail: nothing of what was not synced was written, all of it, only the names, parts.
func cuts(random *rand.Rand, more int) []cut {
	all := []cut{
		{"nothing was written", always(false), func(s []byte, _ [][]byte) []byte { return s }},
		{"all was written", always(true), func(_ []byte, since [][]byte) []byte { return last(since) }},
		{"names were written", always(true), func(s []byte, _ [][]byte) []byte { return s }},
		{"names and lengths were written", always(true), func(s []byte, since [][]byte) []byte {
			now := last(since)
			return append(bytes.Clone(s[:min(len(s), len(now))]), make([]byte, max(0, len(now)-len(s)))...)
		}},
		{"files are torn", always(true), func(s []byte, since [][]byte) []byte {
			now := last(since)
			return now[:min(len(now), (len(s)+len(now))/2)]
		}},
		{"files are torn from the front", always(true), func(s []byte, since [][]byte) []byte {
			now := bytes.Clone(last(since))
			for i := min(len(s), len(now)); i < (len(s)+len(now))/2 && i < len(now); i++ {
				now[i] = 0
			}
			return now
		}},
	}
	for i := range more {
		all = append(all, cut{fmt.Sprint("by chance ", i), func() bool { return random.IntN(2) == 0 }, func(s []byte, since [][]byte) []byte {
			way := all[random.IntN(6)]
			return way.content(s, since[:random.IntN(len(since))+1])
		}})
	}
	return all
}

// after returns the files that a machine finds when it is started again, by path; folders have nil.
func (d *disk) after(c cut) map[string][]byte {
	names := maps.Clone(d.kept)
	for _, folder := range slices.Sorted(maps.Keys(d.ops)) {
		for _, op := range d.ops[folder] {
			if c.named() {
				op.apply(names)
			}
		}
	}
	files := map[string][]byte{}
	for _, path := range slices.Sorted(maps.Keys(names)) {
		n := names[path]
		if _, there := files[filepath.Dir(path)]; !there && len(files) > 0 {
			continue // its folder is gone
		}
		switch {
		case n.folder:
			files[path] = nil
		case len(n.was) == 0:
			files[path] = append([]byte{}, n.synced...)
		default:
			files[path] = append([]byte{}, c.content(n.synced, append(n.was[1:len(n.was):len(n.was)], n.now))...)
		}
	}
	return files
}

// laidOut makes the files where they were.
func laidOut(files map[string][]byte) error {
	for _, path := range slices.Sorted(maps.Keys(files)) {
		var err error
		if files[path] == nil {
			err = os.MkdirAll(path, 0o700)
		} else {
			err = os.WriteFile(path, files[path], 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
