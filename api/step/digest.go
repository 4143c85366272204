package step

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// DigestStep computes what StepDigest is: SHA-256 in hex over the fields of the deploy step and the
// variables that it may read, in a fixed order. It leaves out what differs between two runs of the same
// thing (ticket, run, release, snapshot, and variables named run.…, release.… or steps.…). Of a
// sensitive variable it takes only the name: the engine adds the values under a key of the machine.
func DigestStep(p Plan) string {
	type variable struct {
		Name      string
		Text      string
		Sensitive bool
	}
	type digested struct {
		Version                         int
		Namespace, Environment, Project string
		Step                            string
		Package, ID, PackageVersion     string
		Content, Published              string
		Variables                       []variable
	}
	d := digested{Version: p.Version, Namespace: p.Namespace, Environment: p.Environment, Project: p.Project, Step: p.Step}
	if p.Deploy != nil {
		d.Package, d.ID, d.PackageVersion = p.Deploy.Package, p.Deploy.ID, p.Deploy.Version
		d.Content, d.Published = p.Deploy.Content.SHA256, p.Deploy.PublishedDigest
	}
	for _, name := range DigestedVariables(p) {
		v := p.Variables[name]
		d.Variables = append(d.Variables, variable{Name: name, Text: v.Text, Sensitive: v.Secret != nil})
	}
	data, err := json.Marshal(d)
	if err != nil {
		return "" // Strings, a number and a bool always marshal.
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// DigestedVariables are the sorted names of the variables that tell one evaluation of a step from
// another.
func DigestedVariables(p Plan) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(p.Variables)), func(name string) bool {
		lower := strings.ToLower(name)
		return strings.HasPrefix(lower, "run.") || strings.HasPrefix(lower, "release.") || strings.HasPrefix(lower, "steps.")
	})
}
