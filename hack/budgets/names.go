package main

import (
	"fmt"
	"go/ast"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// documented counts names of a package, and those that have a comment.
type documented struct{ names, commented int }

func (d *documented) add(has bool) {
	d.names++
	if has {
		d.commented++
	}
}

func (d *documented) percent() float64 {
	if d.names == 0 {
		return 100
	}
	return 100 * float64(d.commented) / float64(d.names)
}

// declare counts the names at package level, and exported methods.
func (m *measures) declare(parsed *ast.File) {
	for _, d := range parsed.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			m.declareFunc(d)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				names, has := named(spec)
				for _, id := range names {
					m.name(id, has || d.Doc != nil) // one comment may speak of a whole group
				}
			}
		}
	}
}

// declareFunc counts a function or an exported method; main and init explain themselves.
func (m *measures) declareFunc(f *ast.FuncDecl) {
	switch {
	case f.Recv != nil && f.Name.IsExported():
		m.exported.add(f.Doc != nil)
	case f.Recv == nil && f.Name.Name != "main" && f.Name.Name != "init":
		m.name(f.Name, f.Doc != nil)
	}
}

func (m *measures) name(id *ast.Ident, has bool) {
	if id.Name == "_" {
		return
	}
	m.level.add(has)
	if id.IsExported() {
		m.exported.add(has)
	}
}

// named are the names of a declaration, and whether it has a comment of its own.
func named(spec ast.Spec) (names []*ast.Ident, has bool) {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		return []*ast.Ident{s.Name}, s.Doc != nil || s.Comment != nil
	case *ast.ValueSpec:
		return s.Names, s.Doc != nil || s.Comment != nil
	default:
		return nil, false
	}
}

// shown are folders whose lines are told beside those at the top.
var shown = []string{"controllers/run", "controllers/internal"} //nolint:gochecknoglobals // a constant list

// sizes prints how much there is, without tests.
func sizes(out io.Writer, root string, m *measures) {
	fmt.Fprintf(out, "\n%d files and %d test files, %d functions; documented: %.1f %% of %d exported names and methods, %.1f %% of all %d names of packages\n",
		len(m.files), len(m.tests), len(m.functions), m.exported.percent(), m.exported.names, m.level.percent(), m.level.names)
	lines := map[string]int{}
	for _, f := range m.files {
		path, err := filepath.Rel(root, f.where)
		if err != nil {
			path = f.where
		}
		path = filepath.ToSlash(path)
		top, _, inFolder := strings.Cut(path, "/")
		if !inFolder {
			top = "(root)"
		}
		lines[top] += f.value
		for _, folder := range shown {
			if strings.HasPrefix(path, folder+"/") {
				lines[folder] += f.value
			}
		}
	}
	fmt.Fprint(out, "lines without tests:")
	for _, folder := range slices.Sorted(maps.Keys(lines)) {
		fmt.Fprintf(out, " %s %d", folder, lines[folder])
	}
	fmt.Fprintln(out)
}
