package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// rewrite joins the lines of the descriptions in one file.
func rewrite(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading a definition: %w", err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		return fmt.Errorf("decoding %s: %w", file, err)
	}
	descriptions(&document)
	out := bytes.NewBufferString("---\n")
	encoder := yaml.NewEncoder(out)
	encoder.SetIndent(2)
	encoder.CompactSeqIndent()
	if err := encoder.Encode(&document); err != nil {
		return fmt.Errorf("encoding %s: %w", file, err)
	}
	if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil { //nolint:gosec // not secret
		return fmt.Errorf("writing a definition: %w", err)
	}
	return nil
}

// descriptions joins the lines of every description below a node.
func descriptions(node *yaml.Node) {
	for i, child := range node.Content {
		if node.Kind == yaml.MappingNode && i%2 == 1 && node.Content[i-1].Value == "description" && child.Kind == yaml.ScalarNode {
			child.Value, child.Style = join(child.Value), 0
			continue
		}
		descriptions(child)
	}
}

// join makes one line of each paragraph and of each item of a list. Paragraphs stay apart by an empty line.
func join(text string) string {
	var lines []string
	after := true // an empty line, or the beginning
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		switch last := len(lines) - 1; {
		case line == "":
			if !after {
				lines = append(lines, "")
			}
			after = true
			continue
		case after, strings.HasPrefix(line, "- "), strings.HasPrefix(line, "* "):
			lines = append(lines, line)
		default:
			lines[last] += " " + line
		}
		after = false
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}
