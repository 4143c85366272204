package v1alpha1_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// Words that say nothing in a description, and words of this project's own that no reader of `kubectl explain` knows.
var (
	emptyWords = strings.Fields("a an and are as at by counts how many each for has have holds in is it its of on one or some tells that the them they this to want what which you your")
	jargon     = regexp.MustCompile(`(?i)\b(wish\w*|looks?|looked|looking|lives?|living|poke\w*|glance\w*|circles?|meets?|met|let go|lets go|left in|speaks? of|shall|nobody|somebody|fares?|twice|strangers?|pin|pins|pinned|anew|whoever|goes on|patient)\b`)
	words      = regexp.MustCompile(`[A-Za-z0-9]+`)
	singleLine = regexp.MustCompile(`[^\n]\n[^\n*-]`)
)

// TestKubectlExplainIsTheReference holds the description of every field to what makes it of use: what the field is in a
// sentence of plain words, without the line breaks of the source, with its default and an example where there are rules.
func TestKubectlExplainIsTheReference(t *testing.T) {
	files, err := filepath.Glob("../../config/crd/mantle.dev_*.yaml")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d definitions, %v", len(files), err)
	}
	fields := 0
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(content, &crd); err != nil {
			t.Fatal(err)
		}
		root := crd.Spec.Versions[0].Schema.OpenAPIV3Schema
		kind := crd.Spec.Names.Kind
		judge(t, kind, kind, *root)
		if !strings.Contains(root.Description, "kubectl get "+crd.Spec.Names.ShortNames[0]) {
			t.Errorf("%s: its description does not name the short name %s", kind, crd.Spec.Names.ShortNames[0])
		}
		for name, property := range root.Properties {
			if name == "spec" || name == "status" {
				fields += walk(t, kind+"."+name, name, property)
			}
		}
	}
	t.Logf("%d fields", fields)
}

// walk judges a field and all that are below it, and counts them.
func walk(t *testing.T, path, name string, s apiextensionsv1.JSONSchemaProps) int {
	t.Helper()
	judge(t, path, name, s)
	below := s.Properties
	if s.Items != nil && s.Items.Schema != nil {
		below = s.Items.Schema.Properties
	}
	count := 1
	for child, property := range below {
		if strings.HasSuffix(path, ".conditions") {
			continue // Kubernetes' own words
		}
		count += walk(t, path+"."+child, child, property)
	}
	return count
}

func judge(t *testing.T, path, name string, s apiextensionsv1.JSONSchemaProps) {
	t.Helper()
	said := s.Description
	for what, bad := range map[string]bool{
		"says too little":              !saysSomething(name, said),
		"does not end with a period":   !strings.HasSuffix(said, "."),
		"has a line break in a line":   singleLine.MatchString(said),
		"has no default that it tells": defaulted(s) && !strings.Contains(strings.ToLower(said), "default"),
		"has a rule and no example":    strings.Contains(path, ".spec.") && ruled(s) && !strings.Contains(said, "xample") && !strings.Contains(said, "hex digits"),
		"has words of its own":         jargon.MatchString(said),
	} {
		if bad {
			t.Errorf("%s %s: %q %v", path, what, said, jargon.FindAllString(said, -1))
		}
	}
	for _, rule := range s.XValidations {
		if jargon.MatchString(rule.Message) || rule.Message == "" {
			t.Errorf("%s: the message of a rule has words of its own, or none: %q", path, rule.Message)
		}
	}
}

// saysSomething tells whether two words are left without the field's name and words that say nothing.
func saysSomething(name, said string) bool {
	var left []string
	for _, word := range words.FindAllString(strings.ToLower(said), -1) {
		if word != strings.ToLower(name) && !slices.Contains(emptyWords, word) {
			left = append(left, word)
		}
	}
	return len(left) >= 2
}

func defaulted(s apiextensionsv1.JSONSchemaProps) bool {
	return s.Default != nil && s.Type == "string"
}

// ruled tells whether the text of a field follows a rule that its type does not tell.
func ruled(s apiextensionsv1.JSONSchemaProps) bool {
	if s.Items != nil && s.Items.Schema != nil && s.Items.Schema.Type == "string" {
		return ruled(*s.Items.Schema)
	}
	return s.Type == "string" && (s.Pattern != "" || slices.ContainsFunc(s.XValidations, func(r apiextensionsv1.ValidationRule) bool { return strings.Contains(r.Rule, "matches") }))
}

func TestABadDescriptionIsSeen(t *testing.T) {
	for name, said := range map[string]string{"spec": "spec is what you want.", "targets": "targets counts them.", "key": "key in it.", "failed": "failed is on how many it failed."} {
		if saysSomething(name, said) {
			t.Errorf("%q says nothing", said)
		}
	}
	if !saysSomething("url", "url is the address of the archive.") || !jargon.MatchString("The release is wished.") || !singleLine.MatchString("Without it\nnothing") {
		t.Error("a good description is refused, or a bad one taken")
	}
}
