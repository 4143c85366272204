package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// measured is one figure and where it was found.
type measured struct {
	value int
	where string
}

// measures are all figures of a tree, unsorted.
type measures struct {
	files, tests, functions, branches, reconciles, mains []measured
	exported, level                                      documented
}

// measureTree measures every Go file below root.
func measureTree(root string) (*measures, error) {
	m := &measures{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "bin" || strings.HasPrefix(d.Name(), ".") && path != root):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasPrefix(d.Name(), "zz_generated"):
			return nil
		}
		return m.file(path)
	})
	return m, err
}

// file adds the figures of one file.
func (m *measures) file(path string) error {
	source, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	lines := measured{bytes.Count(source, []byte("\n")), path}
	if strings.HasSuffix(path, "_test.go") {
		m.tests = append(m.tests, lines)
		return nil
	}
	m.files = append(m.files, lines)
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, path, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	m.declare(parsed)
	for _, d := range parsed.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		where := path + " " + f.Name.Name
		length := measured{set.Position(f.End()).Line - set.Position(f.Pos()).Line + 1, where}
		m.functions = append(m.functions, length)
		m.branches = append(m.branches, measured{complexity(f), where})
		switch {
		case f.Name.Name == "Reconcile" && f.Recv != nil:
			m.reconciles = append(m.reconciles, length)
		case f.Name.Name == "main" && f.Recv == nil:
			m.mains = append(m.mains, lines)
		}
	}
	return nil
}

// complexity counts the ways through a function: one, and one more for each branch.
func complexity(f *ast.FuncDecl) int {
	n := 1
	ast.Inspect(f, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt:
			n++
		case *ast.CaseClause:
			if node.List != nil {
				n++
			}
		case *ast.CommClause:
			if node.Comm != nil {
				n++
			}
		case *ast.BinaryExpr:
			if node.Op == token.LAND || node.Op == token.LOR {
				n++
			}
		}
		return true
	})
	return n
}
