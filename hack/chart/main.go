package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"
)

// header begins every written file.
const header = "{{- /* Written by hack/chart from config/: change it there and run make generate. */ -}}\n"

func main() {
	config := flag.String("config", "config", "folder with the kustomize bases")
	out := flag.String("out", "charts/mantle/templates", "folder for the templates")
	flag.Parse()
	if err := run(*config, *out); err != nil {
		fmt.Fprintln(os.Stderr, "chart:", err)
		os.Exit(1)
	}
}

// run writes every template.
func run(config, out string) error {
	if err := crds(filepath.Join(config, "crd"), out); err != nil {
		return err
	}
	for _, t := range []struct {
		from, to string
		convert  func([]object) (string, error)
	}{
		{"rbac/service_account.yaml", "serviceaccount.yaml", serviceAccount},
		{"rbac/role.yaml", "role.yaml", roles},
		{"rbac/user_roles.yaml", "userroles.yaml", userRoles},
		{"rbac/metrics_reader.yaml", "metricsreader.yaml", metricsReader},
		{"manager/deployment.yaml", "deployment.yaml", deployment},
		{"manager/service.yaml", "service.yaml", service},
	} {
		objects, err := read(filepath.Join(config, filepath.FromSlash(t.from)))
		if err != nil {
			return err
		}
		text, err := t.convert(objects)
		if err != nil {
			return fmt.Errorf("converting %s: %w", t.from, err)
		}
		if err := write(out, t.to, text); err != nil {
			return err
		}
	}
	return nil
}

// object is a Kubernetes object without a type.
type object map[string]any

// read decodes the documents of a file.
func read(file string) ([]object, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading an object: %w", err)
	}
	var objects []object
	for _, document := range bytes.Split(data, []byte("\n---\n")) {
		var o object
		if err := yaml.Unmarshal(document, &o); err != nil {
			return nil, fmt.Errorf("decoding %s: %w", file, err)
		}
		if len(o) > 0 {
			objects = append(objects, o)
		}
	}
	return objects, nil
}

// write writes one template.
func write(out, name, text string) error {
	if err := os.WriteFile(filepath.Join(out, name), []byte(header+text), 0o644); err != nil { //nolint:gosec // not secret
		return fmt.Errorf("writing a template: %w", err)
	}
	return nil
}
