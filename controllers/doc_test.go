package controllers

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every test that the table of memory names is there, and every line of the table has its columns.
func TestTheTableOfMemoryNamesTestsThatAreThere(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(doc), "# What is kept in memory")
	tests, rows := regexp.MustCompile(`^//\t    (\w+: .*)$`), 0
	for line := range strings.Lines(table) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "//\t") && strings.Contains(line, "|") {
			if rows++; strings.Count(line, " | ") != 4 {
				t.Errorf("a line has not five columns: %s", line)
			}
		}
		if found := tests.FindStringSubmatch(line); found != nil {
			for _, part := range strings.Split(found[1], "; ") {
				of, names, _ := strings.Cut(part, ": ")
				look(t, of, strings.Split(names, ", "))
			}
		}
	}
	if rows < 25 {
		t.Errorf("the table has %d lines", rows)
	}
}

func look(t *testing.T, pkg string, names []string) {
	t.Helper()
	files, err := filepath.Glob(pkg + "/*_test.go")
	more, err2 := filepath.Glob("internal/" + pkg + "/*_test.go")
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	var all []byte
	for _, name := range append(files, more...) {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, content...)
	}
	for _, name := range names {
		if !bytes.Contains(all, []byte("func Test"+name+"(")) {
			t.Errorf("package %s has no Test%s", pkg, name)
		}
	}
}
