package audit

import "github.com/mantledeploy/mantle/api/tentacle"

// ParseHead reads COUNT:HASH.
func ParseHead(text string) (Head, error) { return tentacle.ParseAuditHead(text) }

// end judges what only the end of the log tells: the last line, the beginning, and the heads.
func (v *verifier) end() {
	v.report.Head = v.prev
	if v.torn > 0 {
		v.note(v.tornAt, "%d bytes of a line are not whole; the next start sets them aside", v.torn)
	}
	if v.doubt != nil {
		v.endDoubt()
	}
	if v.beginning.Count > 0 && !v.announced() {
		v.find(v.first(), 0, "the lines before number %d are missing, and no line says that they were removed for their age", v.report.First)
	}
	for _, w := range v.wanted {
		v.endHead(w)
	}
}

// first is the name of the oldest file.
func (v *verifier) first() string {
	if v.report.Files > 1 {
		return oldName(v.report.First)
	}
	return currentFile
}

// endDoubt names one of the last two lines, which do not fit each other, with the help of a head.
func (v *verifier) endDoubt() {
	for _, w := range v.wanted {
		if w.head == v.prev {
			v.find(v.doubt.file, v.doubt.line, "it was edited: the line behind it says that it was another")
			return
		}
	}
	v.find(v.at.file, v.at.line, "it, or the line before it, was edited: they do not fit each other")
}

// announced tells whether a line says that what came before the oldest line was removed.
func (v *verifier) announced() bool {
	for _, head := range v.removed {
		if head == v.beginning {
			return true
		}
	}
	return false
}

// endHead compares the log with one head.
func (v *verifier) endHead(w wanted) {
	switch {
	case w.met || w.head == v.beginning || w.head == beginning():
	case w.head.Count > v.prev.Count:
		v.find(v.lastFile(), v.at.line, "the tail was cut: %s names line %d, and the log ends with line %d", w.whose, w.head.Count, v.prev.Count)
	case w.head.Count == v.prev.Count:
		v.find(v.at.file, v.at.line, "it was edited: %s says that line %d was another", w.whose, w.head.Count)
	case w.head.Count < v.report.First:
		v.find(v.first(), 0, "%s names line %d, and the oldest line that is kept is %d: whether it held cannot be told", w.whose, w.head.Count, v.report.First)
	default:
		v.find(v.lastFile(), 0, "%s says that line %d was another: the log was written anew from there, or before", w.whose, w.head.Count)
	}
}

func (v *verifier) lastFile() string {
	if v.at.file == "" {
		return currentFile
	}
	return v.at.file
}
