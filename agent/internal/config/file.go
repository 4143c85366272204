package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parse reads the file's keys into c. The error names everything that is wrong, each with its line and key.
func (c *Config) parse(file []byte) error {
	var document yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(file))
	err := d.Decode(&document)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return errors.New("more than one document; keep one")
	}
	if len(document.Content) == 0 || document.Content[0].Tag == "!!null" {
		return nil // nothing but comments
	}
	if problems := c.read(document.Content[0]); len(problems) > 0 {
		return errors.New(strings.Join(problems, "; "))
	}
	return nil
}

// read takes each key of a mapping and returns what is wrong with them.
func (c *Config) read(n *yaml.Node) (problems []string) {
	bad := func(n *yaml.Node, format string, args ...any) {
		problems = append(problems, fmt.Sprintf("line %d: ", n.Line)+fmt.Sprintf(format, args...))
	}
	known := strings.Join(names(), ", ")
	if n.Kind != yaml.MappingNode {
		bad(n, "it is no mapping; write 'key: value' in each line (known keys: %s)", known)
		return problems
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		key, found := keyOf(name.Value)
		switch {
		case !found:
			bad(name, "%.100s: is no known key; remove it, or correct it to one of: %s", name.Value, known)
		case seen[name.Value]:
			bad(name, "key %s: comes twice; keep one", name.Value)
		case value.Kind != yaml.ScalarNode:
			bad(value, "key %s: is no plain text; write one value behind the colon", name.Value)
		default:
			if err := key.set(c, text(value)); err != nil {
				bad(value, "key %s: %s", name.Value, err)
			}
		}
		seen[name.Value] = true
	}
	return problems
}

func keyOf(name string) (Key, bool) {
	for _, k := range Keys() {
		if k.Name == name {
			return k, true
		}
	}
	return Key{}, false
}

// text is the value of a scalar; a key without one is empty.
func text(n *yaml.Node) string {
	if n.Tag == "!!null" {
		return ""
	}
	return n.Value
}
