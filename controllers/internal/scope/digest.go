package scope

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/mantledeploy/mantle/api/v1alpha1"
)

// Reference is a key of a Secret or a ConfigMap that a spec names.
type Reference struct {
	// Path of the field.
	Path string
	// Kind is Secret or ConfigMap.
	Kind string
	// Name of the object, Key in it.
	Name, Key string
}

// References returns the Secrets and ConfigMaps that a spec names, in its order.
func References(spec v1alpha1.ProjectSpec) []Reference {
	var refs []Reference
	for i, v := range spec.Variables {
		for j, value := range v.Values {
			if value.ValueFrom == nil {
				continue
			}
			path := fmt.Sprintf("spec.variables[%d].values[%d].valueFrom", i, j)
			if s := value.ValueFrom.SecretKeyRef; s != nil {
				refs = append(refs, Reference{Path: path + ".secretKeyRef", Kind: "Secret", Name: s.Name, Key: s.Key})
			}
			if c := value.ValueFrom.ConfigMapKeyRef; c != nil {
				refs = append(refs, Reference{Path: path + ".configMapKeyRef", Kind: "ConfigMap", Name: c.Name, Key: c.Key})
			}
		}
	}
	return refs
}

// Digest returns the digest of the parts of a spec that a release freezes: packages, variable definitions, settings and
// steps. The order of packages and variables, explicit defaults, and the limits of the history do not change it.
func Digest(spec v1alpha1.ProjectSpec) string {
	s := spec.DeepCopy()
	s.History = v1alpha1.ProjectHistory{}
	s.Settings.NoTargets = cmp.Or(s.Settings.NoTargets, v1alpha1.NoTargetsFail)
	s.Settings.UnavailableTargets = cmp.Or(s.Settings.UnavailableTargets, v1alpha1.UnavailableSkip)
	slices.SortFunc(s.Packages, func(a, b v1alpha1.ProjectPackage) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(s.Variables, func(a, b v1alpha1.Variable) int { return cmp.Compare(a.Name, b.Name) })
	for i := range s.Steps {
		s.Steps[i].Condition = s.Steps[i].GetCondition()
		for j := range s.Steps[i].Steps {
			s.Steps[i].Steps[j].Condition = s.Steps[i].Steps[j].GetCondition()
		}
	}
	canonical, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("scope: a project's spec cannot be encoded: %v", err)) // it has only strings, numbers and lists
	}
	sum := sha256.Sum256(canonical)
	return "sha256:" + hex.EncodeToString(sum[:])
}
