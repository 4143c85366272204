package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"github.com/mantledeploy/mantle/agent/internal/home"
)

// maxFindings bounds what one verification lists.
const maxFindings = 50

// Finding is something that is not as the Tentacle wrote it.
type Finding struct {
	// File is the file's name, and Line the line in it, counted from 1; 0 where it is about no line.
	File string `json:"file"`
	Line int64  `json:"line,omitempty"`
	// Text says what is wrong.
	Text string `json:"text"`
}

// String is FILE:LINE: TEXT.
func (f Finding) String() string {
	if f.Line == 0 {
		return f.File + ": " + f.Text
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Text)
}

// Report is what a verification found.
type Report struct {
	// Head is the end of the chain in the files.
	Head Head `json:"head"`
	// First is the number of the oldest line that is kept, and Files how many files there are.
	First int64 `json:"first"`
	Files int   `json:"files"`
	// Notes are torn or lost lines and such, which the log itself tells of.
	Notes []Finding `json:"notes,omitempty"`
	// Findings are what is wrong; none means that the chain holds.
	Findings []Finding `json:"findings,omitempty"`
}

// Verify checks the whole log of the folder dir against itself, against the head beside it, and against head where
// that is given. It changes nothing and may run while others write. An error means that it could not be
// checked; what is wrong with the log is in the report.
func Verify(dir string, head *Head) (Report, error) {
	v := &verifier{prev: beginning()}
	kept, files, err := snapshot(dir)
	defer closeAll(files)
	switch {
	case errors.Is(err, errNoHead):
		if len(files) > 0 && files[len(files)-1].size+int64(len(files)) > 1 {
			v.find(headFile, 0, "it is missing or unreadable, so a cut tail would not be found")
		}
	case err != nil:
		return Report{}, err
	default:
		v.wanted = append(v.wanted, wanted{head: kept, whose: "the file head"})
	}
	if head != nil {
		v.wanted = append(v.wanted, wanted{head: *head, whose: "the head that was given"})
	}
	v.report.Files = len(files)
	for _, f := range files {
		if err := v.file(f); err != nil {
			return Report{}, err
		}
	}
	v.end()
	return v.report, nil
}

// opened is a file of the log as it was when the verification began.
type opened struct {
	name string
	file *os.File
	size int64
}

func closeAll(files []opened) {
	for _, f := range files {
		f.file.Close()
	}
}

// snapshot opens all files at a moment at which nobody writes, and reads the head.
func snapshot(dir string) (head Head, files []opened, err error) {
	look := func() error {
		names, err := list(dir)
		if err != nil {
			return err
		}
		for _, name := range names {
			f, err := os.Open(filepath.Join(dir, name))
			if err != nil {
				return fmt.Errorf("reading the audit log: %w", err)
			}
			files = append(files, opened{name: name, file: f})
			info, err := f.Stat()
			if err != nil {
				return fmt.Errorf("reading the audit log: %w", err)
			}
			files[len(files)-1].size = info.Size()
		}
		head, err = ReadHead(dir)
		return err
	}
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return beginning(), nil, nil
	}
	err = home.Exclusive(filepath.Join(dir, lockFile), look)
	return head, files, err
}

// wanted is a head that must be met.
type wanted struct {
	head  Head
	whose string
	met   bool
}

// place is where a line stands.
type where struct {
	file string
	line int64
}

// verifier goes through the lines in order.
type verifier struct {
	report Report
	wanted []wanted

	prev      Head // the chain up to the line before
	at        where
	known     bool   // prev is that of a line, not a guess after something unreadable
	doubt     *where // the line before the last one, which does not fit the last one
	beginning Head   // what the oldest line was added to
	removed   []Head // what Removed lines tell of

	torn    int64 // unreadable bytes before the next line
	tornAt  where
	tornSum hash.Hash
}

func (v *verifier) find(file string, line int64, format string, args ...any) {
	if len(v.report.Findings) < maxFindings {
		v.report.Findings = append(v.report.Findings, Finding{File: file, Line: line, Text: fmt.Sprintf(format, args...)})
	}
}

func (v *verifier) note(at where, format string, args ...any) {
	if len(v.report.Notes) < maxFindings {
		v.report.Notes = append(v.report.Notes, Finding{File: at.file, Line: at.line, Text: fmt.Sprintf(format, args...)})
	}
}

func (v *verifier) file(f opened) error {
	in := newLines(io.NewSectionReader(f.file, 0, f.size))
	at := where{file: f.name, line: 1}
	fresh := true
	for {
		data, whole, err := in.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", f.name, err)
		}
		line, ended := bytes.CutSuffix(data, []byte("\n"))
		e, err := Decode(line)
		if err == nil && fresh && whole && ended {
			v.line(at, e, line)
		} else {
			v.unreadable(at, data)
		}
		if fresh = whole; whole {
			at.line++
		}
	}
}

func (v *verifier) unreadable(at where, data []byte) {
	if v.torn == 0 {
		v.tornAt, v.tornSum = at, sha256.New()
	}
	v.torn += int64(len(data))
	v.tornSum.Write(data)
}

// line takes the next line and compares it with those before it.
func (v *verifier) line(at where, e Entry, line []byte) {
	edited := v.settleTorn(e)
	head := e.head(line)
	if v.report.First == 0 {
		v.report.First, v.beginning = e.Number, e.before()
		v.prev, v.known = e.before(), true
	}
	fits := e.before() == v.prev
	switch {
	case v.doubt != nil && fits: // what came last is vouched for, so the one before it is not what it was
		v.find(v.doubt.file, v.doubt.line, "it was edited: line %d says that it was another", e.Number-1)
		v.doubt = nil
	case v.doubt != nil:
		v.find(v.at.file, v.at.line, "it was edited: neither the line before it nor the one behind it fits it")
		v.doubt = nil
		v.jump(at, e)
	case fits || edited:
	case e.Number == v.prev.Count+1 && v.at.line > 0:
		before := v.at
		v.doubt = &before
	default:
		v.jump(at, e)
	}
	v.special(at, e)
	v.meet(head)
	v.prev, v.at = head, at
}

// jump reports a number that does not follow.
func (v *verifier) jump(at where, e Entry) {
	switch expected := v.prev.Count + 1; {
	case e.Number == expected:
	case e.Number > expected:
		v.find(at.file, at.line, "the lines numbered %d to %d, which belong before it, were removed", expected, e.Number-1)
	default:
		v.find(at.file, at.line, "it has number %d where %d belongs: lines were put in another order, or in twice", e.Number, expected)
	}
}

// settleTorn judges the unreadable bytes before e. It says true where they took the place of lines.
func (v *verifier) settleTorn(e Entry) bool {
	if v.torn == 0 {
		return false
	}
	defer func() { v.torn = 0 }()
	if e.What == Torn && e.Count == v.torn && e.Digest == hex.EncodeToString(v.tornSum.Sum(nil)) {
		v.note(v.tornAt, "%d bytes of lines that were never whole were set aside", v.torn)
		return false
	}
	v.find(v.tornAt.file, v.tornAt.line, "it was edited: it is no line of the log, and the number behind it is %d", e.Number)
	return true
}

// special reads the lines in which the log speaks of itself.
func (v *verifier) special(at where, e Entry) {
	switch e.What {
	case Gap:
		v.find(at.file, at.line, "when the log was taken up at %s, %s", e.shown(), e.Reason)
	case Lost:
		v.note(at, "%d lines could not be written before it", e.Count)
	case Removed:
		if head, err := ParseHead(e.Head); err == nil {
			v.removed = append(v.removed, head)
		}
	}
}

func (v *verifier) meet(head Head) {
	for i, w := range v.wanted {
		if w.head.Count == head.Count && !w.met {
			v.wanted[i].met = w.head == head
		}
	}
}
