package plan

import (
	"regexp"
	"strings"
)

// trace matches a line that says where in a program an error happened. PowerShell, .NET, Java and JavaScript print such
// lines after the error.
var trace = regexp.MustCompile(`^(\s+at .*[(:].*|at .+, .+: line \d+|At .+:\d+ char:\d+|\+ .*|\s+\.\.\. \d+ more)\s*$`)

// lastLine returns the last line of an output that says what happened, and not only where. Without such a line it returns
// the last one.
func lastLine(lines []string) string {
	for i := len(lines) - 1; i >= 0; i-- {
		if strings.TrimSpace(lines[i]) != "" && !trace.MatchString(lines[i]) {
			return lines[i]
		}
	}
	return lines[len(lines)-1]
}
