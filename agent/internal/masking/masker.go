package masking

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// Mask is what stands for one or more values.
const Mask = "********"

const (
	// minValue is the length in bytes of the shortest value that is masked; shorter ones would hide
	// ordinary text and tell where they are.
	minValue = 3
	// minLine is the length in bytes from which a line of a many-line value counts as a value.
	minLine = 8
	// maxForms is how many bytes all forms of all values may have together, as each takes memory.
	maxForms = 1 << 20
)

// Masker knows the values. It is immutable and can be used by many writers at once.
type Masker struct {
	root  [256]int32 // the state after one byte; 0 is the root
	nodes []node
	short int
	plain int
}

// node is one state: a beginning of a value.
type node struct {
	b       byte
	child   int32 // the first child
	sibling int32 // the next child of the same parent
	fail    int32 // the longest other beginning that this one ends with
	depth   int32 // the length of this beginning
	match   int32 // the length of the longest value that this beginning ends with, or 0
}

// New makes a masker of values. A value counts as it is, without white space around it, and in the forms that forms lists; of a
// value of many lines its lines of 8 or more bytes do too. White space in it stands for any other, and line ends. A value under 3
// bytes does not count, and Short tells of how many that is true; PlainOnly of how many values the forms are not known.
func New(values []string) *Masker {
	m := &Masker{nodes: make([]node, 1)}
	for _, p := range m.patterns(values) {
		m.add(p)
	}
	m.link()
	return m
}

// patterns are what is masked, in letters, the longest first.
func (m *Masker) patterns(values []string) []string {
	all, left := patterns{}, maxForms
	for _, v := range values {
		trimmed := strings.TrimSpace(v)
		if len(trimmed) < minValue && v != "" {
			m.short++
		}
		if trimmed == "" || len(v) < minValue {
			continue
		}
		wholes, lines := parts(v)
		for _, p := range wholes {
			all.add(p, minValue)
		}
		for _, p := range lines {
			all.add(p, minLine)
		}
		derived, fits := formsOf(wholes, lines, left)
		if !fits {
			m.plain++
		}
		for p := range derived {
			left -= len(p)
			all.add(p, minValue)
		}
	}
	sorted := slices.Collect(maps.Keys(all))
	slices.SortFunc(sorted, func(a, b string) int { return cmp.Or(len(b)-len(a), cmp.Compare(a, b)) })
	return sorted
}

// patterns is a set of them.
type patterns map[string]bool

// add adds the letters of a text, if there are enough. A bar at their beginning may stand at that of a line, where it is none.
func (all patterns) add(text string, least int) {
	for p := folded(text); len(p) >= least; p = strings.TrimLeft(p[1:], " ") {
		all[p] = true
		if p[0] != '|' {
			return
		}
	}
}

// parts are a value with and without white space around it, and its lines, also when they are joined.
func parts(v string) (wholes, lines []string) {
	for _, p := range append([]string{v}, trims(v)...) {
		if len(p) >= minValue {
			wholes = append(wholes, p)
		}
	}
	each := strings.FieldsFunc(v, func(r rune) bool { return r == '\n' || r == '\r' })
	for _, line := range append(each, strings.Join(each, "")) {
		for _, p := range append([]string{line}, trims(line)...) {
			if len(p) >= minLine {
				lines = append(lines, p)
			}
		}
	}
	return unique(wholes), unique(lines)
}

func unique(all []string) []string {
	slices.Sort(all)
	return slices.Compact(all)
}

// trims are a text without white space at its end, at its beginning, and at both.
func trims(s string) []string {
	return []string{strings.TrimRight(s, "\r\n"), strings.TrimRightFunc(s, unicode.IsSpace), strings.TrimLeftFunc(s, unicode.IsSpace), strings.TrimSpace(s)}
}

// Short is the number of values that are too short to be masked.
func (m *Masker) Short() int { return m.short }

// PlainOnly is the number of values that are too long for their forms to be masked; they themselves, and their lines, are.
func (m *Masker) PlainOnly() int { return m.plain }

func (m *Masker) add(pattern string) {
	state := int32(0)
	for i := range len(pattern) {
		next := m.child(state, pattern[i])
		if next == 0 {
			next = int32(len(m.nodes))
			m.nodes = append(m.nodes, node{b: pattern[i], sibling: m.nodes[state].child, depth: m.nodes[state].depth + 1})
			m.nodes[state].child = next
			if state == 0 {
				m.root[pattern[i]] = next
			}
		}
		state = next
	}
	m.nodes[state].match = m.nodes[state].depth
}

// child is the state that follows by b, or 0.
func (m *Masker) child(state int32, b byte) int32 {
	if state == 0 {
		return m.root[b]
	}
	for c := m.nodes[state].child; c != 0; c = m.nodes[c].sibling {
		if m.nodes[c].b == b {
			return c
		}
	}
	return 0
}

// skip is how many bytes at the beginning of p are in no value that begins there: what no value begins with, or begins with but
// does not go on so.
func (m *Masker) skip(p []byte) int {
	for i := range p {
		first := m.root[p[i]]
		if first == 0 {
			continue
		}
		if i+1 == len(p) || m.goesOn(first, p[i+1]) {
			return i
		}
	}
	return len(p)
}

// goesOn says whether the byte b, which is the second of a value, is followed by more of it.
func (m *Masker) goesOn(first int32, b byte) bool {
	if isBlank(b) {
		b = ' '
	}
	return b == escape || m.child(first, b) != 0
}

// link finds, breadth first, where to go on when a beginning turns out to be none.
func (m *Masker) link() {
	queue := make([]int32, 0, len(m.nodes))
	for c := m.nodes[0].child; c != 0; c = m.nodes[c].sibling {
		queue = append(queue, c)
	}
	for i := 0; i < len(queue); i++ {
		state := queue[i]
		for c := m.nodes[state].child; c != 0; c = m.nodes[c].sibling {
			fail := m.next(m.nodes[state].fail, m.nodes[c].b)
			m.nodes[c].fail = fail
			m.nodes[c].match = max(m.nodes[c].match, m.nodes[fail].match)
			queue = append(queue, c)
		}
	}
}

func (m *Masker) next(state int32, b byte) int32 {
	for {
		if c := m.child(state, b); c != 0 || state == 0 {
			return c
		}
		state = m.nodes[state].fail
	}
}

// String is s with every value masked.
func (m *Masker) String(s string) string {
	var out bytes.Buffer
	w := m.Writer(&out)
	// Writing to a buffer does not fail.
	_, _ = w.Write([]byte(s))
	_ = w.Flush()
	return out.String()
}
