package scripts

import "strings"

// splitArguments cuts a command line as .NET does: at blanks and tabs outside double quotes; backslashes
// are special only before a quote, where two make one and an odd one takes the quote's meaning away; two
// quotes inside quotes are one.
func splitArguments(line string) []string {
	var args []string
	for {
		line = strings.TrimLeft(line, " \t")
		if line == "" {
			return args
		}
		var arg string
		arg, line = nextArgument(line)
		args = append(args, arg)
	}
}

func nextArgument(line string) (arg, rest string) { //nolint:cyclop // the states of one small machine
	var b strings.Builder
	quoted := false
	i := 0
	for i < len(line) {
		switch c := line[i]; {
		case c == '\\':
			slashes := len(line[i:]) - len(strings.TrimLeft(line[i:], `\`))
			i += slashes
			if i == len(line) || line[i] != '"' {
				b.WriteString(strings.Repeat(`\`, slashes))
				continue
			}
			b.WriteString(strings.Repeat(`\`, slashes/2))
			if slashes%2 == 1 {
				b.WriteByte('"')
				i++
			}
		case c == '"' && quoted && i+1 < len(line) && line[i+1] == '"':
			b.WriteByte('"')
			i += 2
		case c == '"':
			quoted = !quoted
			i++
		case !quoted && (c == ' ' || c == '\t'):
			return b.String(), line[i:]
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String(), ""
}
