package step

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/mantledeploy/mantle/api/tentacle"
)

// Scanner reads a step's output line by line, in order, and takes the service messages out of it. What
// it keeps is bounded, whatever a machine sends. It is for one ticket and one goroutine.
type Scanner struct {
	nonce       string
	result      *Result
	outputs     map[string]string
	outputsSize int
	outputsCut  bool
	inventory   Inventory
	machine     bool
	// aside says that the lines of StdOut that come are not the step's own: its launcher's, or verbose ones.
	aside bool
}

// NewScanner makes a scanner that believes the messages with this nonce.
func NewScanner(nonce string) *Scanner {
	return &Scanner{nonce: nonce, outputs: map[string]string{}}
}

// Line takes the next line, without its end. It returns what the line is, and whether there is anything to
// see of it: service messages are not shown. What tells of the launcher is Debug: its own lines, and those
// of StdOut between a message that sets the step's output aside (stdout-verbose, stdout-wait) and the next
// that names another use. A line that only looks like a message, has another nonce, or is one of Octopus's that has no effect
// here, is to be shown; see Redacted.
func (s *Scanner) Line(source tentacle.ProcessOutputSource, text string) (as tentacle.ProcessOutputSource, show bool) {
	if source != tentacle.StdOut {
		return source, true
	}
	if s.message(text) {
		return source, false
	}
	if s.aside {
		return tentacle.Debug, true
	}
	return source, true
}

// message takes a line for a message where it is one, and tells whether it was.
func (s *Scanner) message(text string) bool {
	if m, ok := parseMessage(mantlePrefix, text); ok {
		return m.get("nonce") == s.nonce && s.mantle(m)
	}
	m, ok := parseMessage(OctopusPrefix, text)
	if !ok {
		return false
	}
	switch {
	case m.name == "setVariable" && m.get("nonce") == s.nonce:
		s.output(m.get("name"), m.get("value"))
	case m.isStream():
		s.aside = m.name == "stdout-verbose" || m.name == "stdout-wait"
	default:
		return false
	}
	return true
}

// Result is the last result that was seen. Without one, a step that is Complete is Lost: its engine did
// not come to its end.
func (s *Scanner) Result() (Result, bool) {
	if s.result == nil {
		return Result{}, false
	}
	r := *s.result
	r.Outputs = maps.Clone(s.outputs)
	r.OutputsCut = r.OutputsCut || s.outputsCut
	return r, true
}

// Inventory is what an inventory step told, once its last row was seen.
func (s *Scanner) Inventory() (Inventory, bool) {
	if !s.machine {
		return Inventory{}, false
	}
	inv := s.inventory
	inv.Installed = slices.Clone(inv.Installed)
	inv.Contents = slices.Clone(inv.Contents)
	return inv, true
}

func (s *Scanner) output(name, value string) {
	if name == "" || len(name) > MaxNameSize {
		return
	}
	size := s.outputsSize + len(name) + len(value)
	if old, known := s.outputs[name]; known {
		size -= len(name) + len(old)
	}
	// The outputs that every deploy gives come on top of the declared ones.
	if len(value) > MaxOutput || size > MaxOutputs || len(s.outputs) >= MaxOutputNames+2 {
		s.outputsCut = true
		return
	}
	s.outputs[name] = value
	s.outputsSize = size
}

// mantle takes one message of the engine's own, and tells whether it understood it.
func (s *Scanner) mantle(m message) bool {
	body := []byte(m.get("body"))
	switch m.name {
	case "result":
		var r Result
		if json.Unmarshal(body, &r) != nil {
			return false
		}
		r = r.bounded()
		s.result = &r
	case "installed", "content", "machine":
		return s.row(m.name, body)
	default:
		return false
	}
	return true
}

// row takes one row of an inventory, and tells whether it understood it.
func (s *Scanner) row(name string, body []byte) bool {
	switch name {
	case "installed":
		var row Installed
		if json.Unmarshal(body, &row) != nil || !row.valid() {
			return false
		}
		if len(s.inventory.Installed) < MaxInstalled {
			s.inventory.Installed = append(s.inventory.Installed, row)
		}
	case "content":
		var sum string
		if json.Unmarshal(body, &sum) != nil || !IsSHA256(sum) {
			return false
		}
		if len(s.inventory.Contents) < MaxContents {
			s.inventory.Contents = append(s.inventory.Contents, sum)
		}
	case "machine":
		var row machineRow
		if json.Unmarshal(body, &row) != nil || !row.valid() {
			return false
		}
		s.inventory.FreeBytes, s.inventory.OS, s.inventory.Arch = max(row.FreeBytes, 0), row.OS, row.Arch
		s.machine = true
	}
	return true
}
