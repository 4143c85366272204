package main

import (
	"path/filepath"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	"k8s.io/apimachinery/pkg/util/version"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"
)

// oldestLibrary is the CEL library with which the oldest supported Kubernetes, 1.31, compiles rules that are new to it:
// a server always allows for having to go back by one version.
const oldestLibrary = "1.30"

func TestRulesCompileOnTheOldestKubernetes(t *testing.T) {
	crds, err := readCRDs(filepath.Join("..", "..", "config", "crd"))
	if err != nil {
		t.Fatal(err)
	}
	environments := environment.MustBaseEnvSet(version.MustParse(oldestLibrary))
	rules := 0
	for _, crd := range crds {
		for _, v := range crd.Spec.Versions {
			internal := &apiextensions.JSONSchemaProps{}
			err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(v.Schema.OpenAPIV3Schema, internal, nil)
			if err != nil {
				t.Fatal(err)
			}
			structural, err := schema.NewStructural(internal)
			if err != nil {
				t.Fatal(err)
			}
			rules += compile(t, environments, crd.Name, structural, true)
		}
	}
	if rules == 0 {
		t.Error("no rule was found")
	}
	t.Logf("%d rules compile", rules)
}

// compile compiles the rules of a schema and of those in it, and returns how many there are.
func compile(t *testing.T, env *environment.EnvSet, path string, s *schema.Structural, root bool) int {
	t.Helper()
	results, err := cel.Compile(s, model.SchemaDeclType(s, root), celconfig.PerCallLimit, env, cel.NewExpressionsEnvLoader())
	if err != nil {
		t.Errorf("%s: %v", path, err)
	}
	for i, r := range results {
		if r.Error != nil {
			t.Errorf("%s: rule %q: %v", path, s.XValidations[i].Rule, r.Error)
		}
	}
	n := len(results)
	for name := range s.Properties {
		property := s.Properties[name]
		n += compile(t, env, path+"."+name, &property, root && name == "metadata")
	}
	if s.Items != nil {
		n += compile(t, env, path+"[]", s.Items, false)
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Structural != nil {
		n += compile(t, env, path+"{}", s.AdditionalProperties.Structural, false)
	}
	return n
}
