package engine

import (
	"strings"

	"github.com/mantledeploy/mantle/agent/internal/sorted"
	"github.com/mantledeploy/mantle/api/step"
)

// Interpreter is a language of scripts, and what of it this machine has.
type Interpreter struct {
	Shell step.Shell
	// Path is its program, empty where there is none on the PATH of this process.
	Path string
	// Remedy says what to install.
	Remedy string
}

// Interpreters looks for every interpreter that steps can ask for.
func Interpreters() []Interpreter {
	var all []Interpreter
	for shell, i := range interpreters() {
		all = append(all, Interpreter{Shell: shell, Path: i.path(), Remedy: i.remedy})
	}
	sorted.By(all, func(a, b Interpreter) int { return strings.Compare(string(a.Shell), string(b.Shell)) })
	return all
}
