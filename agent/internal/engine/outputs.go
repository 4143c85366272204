package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mantledeploy/mantle/api/step"
)

// giveOutputs puts the declared outputs that a script gave into the result of its step. A file that is not written as it must
// be fails a step that has not failed.
func (s *session) giveOutputs(r *step.Result, of outcome) {
	if of.OutputsFailure != "" {
		s.warn("the outputs cannot be read: " + of.OutputsFailure)
		r.OutputsCut = true
		return
	}
	if of.OutputsCut {
		s.warn(fmt.Sprintf("the file of outputs has more than %d bytes; the rest is dropped", maxOutputFile))
	}
	o := outputValues{s: s, kept: map[string]string{}, dropped: map[string]bool{}, told: map[string]bool{}, cut: of.OutputsCut}
	err := parseOutputs(of.Outputs, of.OutputsCut, o.take)
	switch {
	case err == nil:
		r.Outputs, r.OutputsCut = o.kept, o.cut
		if r.Reason == "" && !of.OutputsCut {
			o.tellMissing()
		}
	case r.Reason != "": // it failed already, maybe in the middle of writing
		s.warn(err.Error())
	default:
		s.out.printError(err.Error())
		r.ExitCode, r.Reason = step.ExitFailed, step.ReasonOutputsInvalid
	}
}

// parseOutputs reads the text of a file of outputs: lines of name=value, and between name<<WORD and a line that is WORD the
// lines of a value. Empty lines between them are nothing. cut says that the text has no end: then its last line is dropped, and
// a value that it is in. The error has the number of a line that is neither.
func parseOutputs(text string, cut bool, take func(name, value string)) error {
	lines := strings.Split(text, "\n")
	if cut {
		lines = lines[:len(lines)-1]
	}
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "\r")
	}
	for i := 0; i < len(lines); i++ {
		if lines[i] == "" {
			continue
		}
		name, value, word, ok := outputLine(lines[i])
		if !ok {
			return fmt.Errorf("line %d of $%s is no output: write name=value, or, for a value of many lines, name<<WORD, the lines, and a line that is WORD", i+1, step.EnvOutput)
		}
		if word != "" {
			n := slices.Index(lines[i+1:], word)
			if n < 0 && cut {
				return nil
			}
			if n < 0 {
				return fmt.Errorf("line %d of $%s begins an output of many lines, and no line after it is the word behind <<, which ends it", i+1, step.EnvOutput)
			}
			value = strings.Join(lines[i+1:i+1+n], "\n")
			i += 1 + n
		}
		take(name, value)
	}
	return nil
}

// outputLine takes a line apart: name=value, or name<<word.
func outputLine(line string) (name, value, word string, ok bool) {
	at := strings.IndexAny(line, "=<")
	if at <= 0 {
		return "", "", "", false
	}
	if line[at] == '=' {
		return line[:at], line[at+1:], "", true
	}
	word, ok = strings.CutPrefix(line[at:], "<<")
	return line[:at], "", word, ok && word != ""
}

// outputValues keeps the outputs of a script, within their bounds.
type outputValues struct {
	s       *session
	kept    map[string]string
	dropped map[string]bool // outputs that were given and are not kept
	told    map[string]bool // the warnings that were given
	size    int
	cut     bool
}

// tellMissing warns of declared outputs that the script did not write.
func (o *outputValues) tellMissing() {
	for _, name := range o.s.plan.Outputs {
		if _, given := o.kept[name]; !given && !o.dropped[name] {
			o.s.warn(fmt.Sprintf("the script has not written the output %q, which the step declares", name))
		}
	}
}

func (o *outputValues) take(name, value string) {
	if !slices.Contains(o.s.plan.Outputs, name) {
		o.drop(fmt.Sprintf("the output %.100q is not declared by the step; it is dropped", name))
		return
	}
	if old, again := o.kept[name]; again { // the later one holds
		o.size -= len(name) + len(old)
		delete(o.kept, name)
	}
	delete(o.dropped, name)
	if err := o.s.presentable(value); err != nil {
		o.dropped[name] = true
		o.drop(fmt.Sprintf("the output %q %v: it is kept back, and steps that need it do not start", name, err))
		return
	}
	if len(value) > step.MaxOutput || o.size+len(name)+len(value) > step.MaxOutputs {
		o.cut, o.dropped[name] = true, true
		o.drop(fmt.Sprintf("the output %q is too long; it is dropped", name))
		return
	}
	o.size += len(name) + len(value)
	o.kept[name] = value
}

// presentable says why a value cannot be in the status of a run, where people read it. It is never changed instead: the next
// step is to get what this one gave.
func (s *session) presentable(value string) error {
	switch {
	case s.masker.String(value) != value:
		return errors.New("has the value of a Secret in it, which would be in the run's status")
	case !utf8.ValidString(value):
		return errors.New("is not UTF-8")
	case strings.ContainsFunc(value, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }):
		return errors.New("has control characters in it")
	}
	return nil
}

func (o *outputValues) drop(why string) {
	if !o.told[why] && len(o.told) < step.MaxWarnings {
		o.told[why] = true
		o.s.warn(why)
	}
}
