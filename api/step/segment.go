package step

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// CheckSegment tells whether s can be one part of a path on every system: not empty, not over 200 bytes,
// no separator or character that Windows refuses, no leading dot, no trailing dot or space, and none of
// the names that Windows keeps for devices.
func CheckSegment(s string) error {
	switch {
	case s == "":
		return fmt.Errorf("is empty")
	case len(s) > maxSegmentSize:
		return fmt.Errorf("is longer than %d bytes", maxSegmentSize)
	case !utf8.ValidString(s):
		return fmt.Errorf("is not UTF-8")
	case s[0] == '.' || s[0] == ' ':
		return fmt.Errorf("%q begins with a dot or a space", s)
	case strings.HasSuffix(s, ".") || strings.HasSuffix(s, " "):
		return fmt.Errorf("%q ends with a dot or a space", s)
	case strings.ContainsAny(s, `/\:*?"<>|`):
		return fmt.Errorf("%q has a character that a file name cannot have", s)
	case strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f }):
		return fmt.Errorf("%q has a control character", s)
	case ReservedName(s):
		return fmt.Errorf("%q is a name that Windows keeps for a device", s)
	}
	return nil
}

// ReservedName tells whether Windows takes s, with whatever extension, for a device.
func ReservedName(s string) bool {
	base, _, _ := strings.Cut(s, ".")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$":
		return true
	}
	rest, ok := strings.CutPrefix(base, "COM")
	if !ok {
		rest, ok = strings.CutPrefix(base, "LPT")
	}
	return ok && utf8.RuneCountInString(rest) == 1 && strings.ContainsAny(rest, "0123456789¹²³")
}
