package scripts

import (
	"strings"

	"github.com/mantledeploy/mantle/agent/internal/owners"
	"github.com/mantledeploy/mantle/api/tentacle"
)

// A ticket is known by its operator and its name: operators of one machine cannot see, use or take each other's. What lies on
// the disk is named after the ticket alone as long as nothing else has that name; the ticket of a second operator has a mark
// of that operator behind it, which no ticket can contain.
const ownerMark = "@"

// markedName is the name of an operator's ticket where another operator has the plain one.
func markedName(key, operator string) string {
	return key + ownerMark + owners.Mark(operator)
}

// nameMark is what a name on the disk has behind the ticket: nothing, or the mark of its operator.
func nameMark(name string) string {
	if i := strings.Index(name, ownerMark); i >= 0 {
		return name[i:]
	}
	return ""
}

// nameOf is the name on the disk of what `tentacle scripts` lists: a ticket, which may have a mark.
func nameOf(listed string) (string, bool) {
	mark := nameMark(listed)
	key, ok := ticketKey(strings.TrimSuffix(listed, mark))
	if mark != "" && (len(mark) != len(markedName("", "")) || strings.Trim(mark[1:], "0123456789abcdef") != "") {
		ok = false
	}
	return key + mark, ok
}

// owned returns an operator's ticket, or one of whom nobody knows whose it is; s.mu is held.
func (s *Store) owned(operator, key string) *ticket {
	for _, name := range []string{key, markedName(key, operator)} {
		if t := s.known[name]; t != nil && (t.belongsTo(operator) || t.orphan) {
			return t
		}
	}
	return nil
}

// ownStone returns the tombstone of an operator's ticket, or one that nobody can read; nil if there is none.
func (s *Store) ownStone(operator, key string) (*tombstone, error) {
	for _, name := range []string{key, markedName(key, operator)} {
		stone, err := s.tombstone(name)
		if err != nil {
			return nil, err
		}
		if stone != nil && (stone.Operator == operator || stone.Operator == "") {
			return stone, nil
		}
	}
	return nil, nil //nolint:nilnil // none is an answer here, not an error
}

// freeName returns the name under which a new ticket of an operator is kept; false if even the marked one is another's. s.mu
// is held, and the operator has no such ticket and no such tombstone.
func (s *Store) freeName(operator, key string) (string, bool, error) {
	for _, name := range []string{key, markedName(key, operator)} {
		stone, err := s.tombstone(name)
		if err != nil {
			return "", false, err
		}
		if stone == nil && s.known[name] == nil {
			return name, true, nil
		}
	}
	return "", false, nil
}

// belongsTo says whether operator started the ticket. One of a newer version, whose operator cannot be read, answers
// everybody that it is left alone.
func (t *ticket) belongsTo(operator string) bool {
	return t.record.Operator == operator || t.newer && t.record.Operator == ""
}

// folder is the name of the script's folder: the ticket as it was spelled, with the mark of its operator.
func (t *ticket) folder() string { return t.record.Ticket + nameMark(t.key) }

// lostLine is all that is told of a ticket whose journal cannot be read. As nobody knows whose it is, nobody gets its output.
const lostLine = "Lost: the script's journal cannot be read."

// lost answers for such a ticket.
func lost(id tentacle.ScriptTicket) tentacle.ScriptStatusResponseV2 {
	return refusal(id, tentacle.ExitLost, lostLine)
}
