package tentacle

import "strings"

// SplitArguments makes of a command's Arguments what the script gets. The reference joins them with a space
// and hands the line to .NET, which splits it again (halibut.md section 6.4), so an argument that holds
// spaces must be quoted by the sender: double quotes keep blanks together, a doubled quote within them is a
// quote, and backslashes are themselves unless they stand before a quote. QuoteArgument does it.
func SplitArguments(arguments []string) []string {
	line := []byte(strings.Join(arguments, " "))
	var split []string
	for i := 0; i < len(line); {
		if blank(line[i]) {
			i++
			continue
		}
		var one string
		one, i = nextArgument(line, i)
		split = append(split, one)
	}
	return split
}

// QuoteArgument writes an argument so that SplitArguments gives it back as one.
func QuoteArgument(argument string) string {
	var b strings.Builder
	b.WriteByte('"')
	backslashes := 0
	for _, c := range []byte(argument) {
		switch c {
		case '\\':
			backslashes++
			continue
		case '"':
			writeBackslashes(&b, 2*backslashes+1)
		default:
			writeBackslashes(&b, backslashes)
		}
		backslashes = 0
		b.WriteByte(c)
	}
	writeBackslashes(&b, 2*backslashes)
	b.WriteByte('"')
	return b.String()
}

func writeBackslashes(b *strings.Builder, n int) {
	for range n {
		b.WriteByte('\\')
	}
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

// nextArgument reads the argument that begins at i and returns it with the place behind it.
func nextArgument(line []byte, i int) (argument string, next int) { //nolint:cyclop // the states of one small machine
	var b strings.Builder
	quoted := false
	for i < len(line) {
		backslashes := 0
		for i < len(line) && line[i] == '\\' {
			backslashes++
			i++
		}
		if i < len(line) && line[i] == '"' {
			writeBackslashes(&b, backslashes/2)
			doubled := quoted && i+1 < len(line) && line[i+1] == '"'
			switch {
			case backslashes%2 == 1:
				b.WriteByte('"')
			case doubled:
				b.WriteByte('"')
				i++
			default:
				quoted = !quoted
			}
			i++
			continue
		}
		writeBackslashes(&b, backslashes)
		if i == len(line) || (blank(line[i]) && !quoted) {
			break
		}
		b.WriteByte(line[i])
		i++
	}
	return b.String(), i
}
