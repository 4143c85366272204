package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// keepAnnotations come first among the annotations of a definition: with them uninstalling the chart, and Argo CD's
// pruning, leave the definitions and so everybody's objects.
const keepAnnotations = `  annotations:
    {{- if .Values.crds.keep }}
    helm.sh/resource-policy: keep
    argocd.argoproj.io/sync-options: Prune=false
    {{- end }}
`

// crds writes one template per definition. They are templates and not in the chart's crds folder, because Helm installs
// that once and never brings it up to date.
func crds(dir, out string) error {
	files, err := filepath.Glob(filepath.Join(dir, "mantle.dev_*.yaml"))
	if err != nil {
		return fmt.Errorf("listing definitions: %w", err)
	}
	if len(files) == 0 {
		return errors.New("listing definitions: there are none in " + dir)
	}
	for _, file := range files {
		objects, err := read(file)
		if err != nil {
			return err
		}
		if len(objects) != 1 {
			return fmt.Errorf("%s holds %d objects, want one", file, len(objects))
		}
		text, err := (&marks{}).text(objects[0])
		if err != nil {
			return err
		}
		before, after, found := strings.Cut(text, "  annotations:\n")
		if !found {
			return fmt.Errorf("%s has no annotations", file)
		}
		text = "{{- if .Values.crds.install }}\n" + before + keepAnnotations + after + "{{- end }}\n"
		if err := write(out, "crd-"+strings.TrimPrefix(filepath.Base(file), "mantle.dev_"), text); err != nil {
			return err
		}
	}
	return nil
}
