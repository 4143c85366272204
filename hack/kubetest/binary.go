package kubetest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Binary returns the absolute path of a program that tests run: controlplane, kubectl, helm, tentacle or operator. It
// is the value of MANTLE_<NAME>, or else bin/<name> in the repository. The test fails with the remedy when it is
// missing.
func Binary(t testing.TB, name string) string {
	t.Helper()
	path, err := findBinary(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func findBinary(name string) (string, error) {
	variable := "MANTLE_" + strings.ToUpper(name)
	path := os.Getenv(variable)
	if path == "" {
		root, err := Root()
		if err != nil {
			return "", err
		}
		path = filepath.Join(root, "bin", name)
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("this test runs the program %s: use `make test`, or build it with `make bin/%s`, or set %s: %w",
			name, name, variable, err)
	}
	return path, nil
}

// Root returns the folder of the repository: the nearest one above the working directory, which for a test is its
// package's, that has a go.mod and the CRDs.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the repository: %w", err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		_, module := os.Stat(filepath.Join(dir, "go.mod"))
		_, crds := os.Stat(filepath.Join(dir, crdFolder))
		if module == nil && crds == nil {
			return dir, nil
		}
	}
	return "", errors.New("finding the repository: no folder above this one has go.mod and " + crdFolder)
}
