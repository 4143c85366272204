package cli

import (
	"strings"
	"unicode"

	"github.com/mantledeploy/mantle/agent/internal/home"
)

// at is what has to be added to a command that is printed for this home; empty for the default one.
func (a *app) at() string {
	if a.home == home.Default() {
		return ""
	}
	return " --home " + a.home
}

// printable makes text of somebody else's harmless for a terminal: what is not to be seen becomes a box.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return '\u25a1'
	}, text)
}
