// Command budgets measures how long files and functions are and how much they branch, and prints the figures beside
// what the project aims at, and how much there is: files, functions, lines of each folder, documented names. Limits that no linter knows (a test file, Reconcile, main) make it fail; the linter holds
// the others.
//
//	go run ./hack/budgets [ROOT]
//
// It reads the source with go/parser and needs no build. Generated files and folders called testdata are left out.
package main

import (
	"fmt"
	"os"
)

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	m, err := measureTree(root)
	if err != nil {
		fmt.Fprintln(os.Stderr, "budgets:", err)
		os.Exit(1)
	}
	good := report(os.Stdout, m)
	sizes(os.Stdout, root, m)
	if !good {
		os.Exit(1)
	}
}
