package main

import (
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

// binding binds the role called like the chart to the operator; KIND, NAMESPACE and INDENT are filled in.
const binding = `apiVersion: rbac.authorization.k8s.io/v1
kind: KINDBinding
metadata:
  name: {{ include "mantle.name" $ }}NAME
NAMESPACE  labels:
    {{- include "mantle.labels" $ | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: KIND
  name: {{ include "mantle.name" $ }}NAME
subjects:
- kind: ServiceAccount
  name: {{ include "mantle.serviceAccountName" $ }}
  namespace: {{ $.Release.Namespace }}
`

// role begins a role.
const role = `apiVersion: rbac.authorization.k8s.io/v1
kind: KIND
metadata:
  name: {{ include "mantle.name" $ }}NAME
NAMESPACE  labels:
    {{- include "mantle.labels" $ | nindent 4 }}
rules:
`

// finalizerRule stays cluster-wide also where the operator watches some namespaces only, so that the finalizer of a run
// can be let go while its namespace, and the role in it, is being deleted.
func finalizerRule() rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{"mantle.dev"}, Resources: []string{"deploymentruns"}, Verbs: []string{"patch"}}
}

// roles converts the operator's ClusterRole and Roles. With watchNamespaces the ClusterRole's rules for what is in
// namespaces become one Role in each of them.
func roles(objects []object) (string, error) { //nolint:cyclop // one case for each kind of object
	var cluster, own []rbacv1.PolicyRule
	for _, o := range objects {
		data, err := yaml.Marshal(o)
		if err != nil {
			return "", err
		}
		var r rbacv1.ClusterRole // has the fields of a Role
		if err := yaml.UnmarshalStrict(data, &r); err != nil {
			return "", err
		}
		switch r.Kind {
		case "ClusterRole":
			cluster = append(cluster, r.Rules...)
		case "Role":
			own = append(own, r.Rules...)
		default:
			return "", fmt.Errorf("a %s has no rules", r.Kind)
		}
	}
	var b strings.Builder
	bound := func(kind, name, namespace string, rules []rbacv1.PolicyRule) error {
		if len(rules) == 0 {
			return nil
		}
		if namespace != "" {
			namespace = "  namespace: " + namespace + "\n"
		}
		data, err := yaml.Marshal(rules)
		fill := strings.NewReplacer("KIND", kind, "NAMESPACE", namespace, "NAME", name)
		b.WriteString("---\n" + fill.Replace(role) + escape(string(data)) + "---\n" + fill.Replace(binding))
		return err
	}
	wide, narrow := split(cluster)
	b.WriteString("{{- if .Values.rbac.create }}\n{{- if .Values.watchNamespaces }}\n")
	if err := bound("ClusterRole", "", "", append(wide, finalizerRule())); err != nil {
		return "", err
	}
	b.WriteString("{{- range .Values.watchNamespaces }}\n")
	if err := bound("Role", "-watched", "{{ . }}", narrow); err != nil {
		return "", err
	}
	b.WriteString("{{- end }}\n{{- else }}\n")
	if err := bound("ClusterRole", "", "", cluster); err != nil {
		return "", err
	}
	b.WriteString("{{- end }}\n")
	if err := bound("Role", "", "{{ $.Release.Namespace }}", own); err != nil {
		return "", err
	}
	b.WriteString("{{- end }}\n")
	return b.String(), nil
}

// clusterWide are the resources, as group/resource, that are in no namespace.
func clusterWide(group, resource string) bool {
	return group == "authentication.k8s.io" || group == "authorization.k8s.io" ||
		group == "" && (resource == "namespaces" || resource == "nodes")
}

// split divides rules into those for what is in no namespace and the others.
func split(rules []rbacv1.PolicyRule) (wide, narrow []rbacv1.PolicyRule) {
	for _, rule := range rules {
		if len(rule.NonResourceURLs) > 0 {
			wide = append(wide, rule)
			continue
		}
		for _, group := range rule.APIGroups {
			isWide := func(resource string) bool { return clusterWide(group, resource) }
			part := func(resources []string) rbacv1.PolicyRule {
				return rbacv1.PolicyRule{
					APIGroups: []string{group}, Resources: resources, ResourceNames: rule.ResourceNames, Verbs: rule.Verbs,
				}
			}
			in := slices.DeleteFunc(slices.Clone(rule.Resources), isWide)
			out := slices.DeleteFunc(slices.Clone(rule.Resources), func(r string) bool { return !isWide(r) })
			if len(in) > 0 {
				narrow = append(narrow, part(in))
			}
			if len(out) > 0 {
				wide = append(wide, part(out))
			}
		}
	}
	return wide, narrow
}

// userRoles converts the roles for people.
func userRoles(objects []object) (string, error) {
	texts := make([]string, 0, len(objects))
	for _, o := range objects {
		m := &marks{}
		metadata, err := at(o, "metadata")
		if err != nil {
			return "", err
		}
		name, _ := metadata["name"].(string)
		aggregating, err := yaml.Marshal(metadata["labels"])
		if err != nil {
			return "", err
		}
		if err := scaffold(o, m); err != nil {
			return "", err
		}
		metadata["name"] = m.scalar(nameExpression + strings.TrimPrefix(name, "mantle"))
		aggregate := strings.ReplaceAll(strings.TrimSpace(string(aggregating)), "\n", "\nPAD")
		metadata["labels"] = m.value(labels + "\nPAD" + aggregate)
		text, err := m.text(o)
		if err != nil {
			return "", err
		}
		texts = append(texts, text)
	}
	return "{{- if .Values.rbac.userRoles }}\n" + strings.Join(texts, "---\n") + "{{- end }}\n", nil
}

// metricsReader converts the role of whoever scrapes the metrics.
func metricsReader(objects []object) (string, error) {
	m := &marks{}
	if err := scaffold(objects[0], m); err != nil {
		return "", err
	}
	metadata, err := at(objects[0], "metadata")
	if err != nil {
		return "", err
	}
	metadata["name"] = m.scalar(nameExpression + "-metrics-reader")
	text, err := m.text(objects[0])
	return "{{- if .Values.rbac.create }}\n" + text + "{{- end }}\n", err
}
