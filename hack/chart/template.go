package main

import (
	"fmt"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

// Expressions that stand for parts of objects.
const (
	nameExpression      = `{{ include "mantle.name" . }}`
	accountExpression   = `{{ include "mantle.serviceAccountName" . }}`
	namespaceExpression = `{{ .Release.Namespace }}`

	labels         = `PAD{{- include "mantle.labels" . | nindent WIDTH }}`
	selectorLabels = `PAD{{- include "mantle.selectorLabels" . | nindent WIDTH }}`
)

// at returns the object below o under the keys, so that it can be changed. A number chooses from a list.
func at(o object, keys ...any) (object, error) {
	var current any = map[string]any(o)
	for _, key := range keys {
		switch key := key.(type) {
		case string:
			fields, ok := current.(map[string]any)
			if !ok || fields[key] == nil {
				return nil, fmt.Errorf("there is no %v in it", keys)
			}
			current = fields[key]
		case int:
			list, ok := current.([]any)
			if !ok || len(list) <= key {
				return nil, fmt.Errorf("there is no %v in it", keys)
			}
			current = list[key]
		}
	}
	fields, ok := current.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%v in it is no object", keys)
	}
	return fields, nil
}

// scaffold marks what the chart decides in every object: where it is and what it is called.
func scaffold(o object, marks *marks) error {
	metadata, err := at(o, "metadata")
	if err != nil {
		return err
	}
	metadata["name"] = marks.scalar(nameExpression)
	if _, found := metadata["namespace"]; found {
		metadata["namespace"] = marks.scalar(namespaceExpression)
	}
	metadata["labels"] = marks.value(labels)
	return nil
}

// marks are placeholders in an object, and what is to be in their place when it is YAML.
type marks struct {
	scalars []string
	blocks  []block
}

// block is a template of whole lines. In it PAD stands for the indentation of its lines, and WIDTH for how wide that is, and
// DEEP for two more. ITEM stands for the indentation of the list whose item it takes the place of.
type block struct {
	template string
	field    bool // takes the place of the field and not only of its value
}

// scalar returns a mark for an expression that is a scalar.
func (m *marks) scalar(expression string) string {
	m.scalars = append(m.scalars, expression)
	return fmt.Sprintf("MARK-SCALAR-%d-", len(m.scalars)-1)
}

// value returns a mark for a template that writes the lines below a field.
func (m *marks) value(template string) string {
	return m.add(block{template: template})
}

// field returns a mark for a template that writes the field itself, its name included, or nothing.
func (m *marks) field(template string) string {
	return m.add(block{template: template, field: true})
}

func (m *marks) add(b block) string {
	m.blocks = append(m.blocks, b)
	return fmt.Sprintf("MARK-BLOCK-%d-", len(m.blocks)-1)
}

// text writes the object as YAML with templates in the place of marks.
func (m *marks) text(o object) (string, error) {
	data, err := yaml.Marshal(o)
	if err != nil {
		return "", err
	}
	var lines []string
	for line := range strings.Lines(escape(string(data))) {
		lines = append(lines, m.line(strings.TrimSuffix(line, "\n")))
	}
	return strings.Join(lines, "\n") + "\n", nil
}

// line replaces the marks of one line.
func (m *marks) line(line string) string {
	for i, expression := range m.scalars {
		line = strings.ReplaceAll(line, fmt.Sprintf("MARK-SCALAR-%d-", i), expression)
	}
	for i, b := range m.blocks {
		field, found := strings.CutSuffix(line, fmt.Sprintf(" MARK-BLOCK-%d-", i))
		if !found {
			continue
		}
		indent := len(field) - len(strings.TrimLeft(field, " -"))
		if b.field {
			return b.text(indent)
		}
		return field + "\n" + b.text(indent+2)
	}
	return line
}

// text returns the block's lines with an indentation.
func (b block) text(indent int) string {
	return strings.NewReplacer("PAD", strings.Repeat(" ", indent), "WIDTH", strconv.Itoa(indent), "DEEP", strconv.Itoa(indent+2),
		"ITEM", strings.Repeat(" ", max(indent-2, 0))).Replace(b.template)
}

// escape keeps Helm from reading what an object says as a template.
func escape(text string) string {
	return strings.ReplaceAll(text, "{{", `{{ "{{" }}`)
}
