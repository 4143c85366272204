package files

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/mantledeploy/mantle/agent/internal/home"
)

const (
	// maxPath and maxDepth bound a path as it is sent, and as it is walked with its links.
	maxPath  = 4096
	maxDepth = 128
)

// errRefused is the kind of every refusal for what a path names.
var errRefused = errors.New("refused")

func refuse(spelling, why string) error {
	return fmt.Errorf("path %.200q is %w: %s", spelling, errRefused, why)
}

// spelling is how paths are written on a system.
type spelling struct {
	windows bool
	// homes are the absolute spellings of the home, with slashes.
	homes []string
}

func spellingOf(h home.Home, goos string) spelling {
	return spelling{
		windows: goos == "windows",
		homes:   []string{filepath.ToSlash(h.Dir()), filepath.ToSlash(h.Given())},
	}
}

// parse takes apart a path relative to the home, or absolute and inside it. The result has no empty
// part, no dots, and does not begin with a closed folder; none means the home itself.
func (s spelling) parse(text string) ([]string, error) {
	if len(text) > maxPath {
		return nil, refuse(text, fmt.Sprintf("it is longer than %d bytes", maxPath))
	}
	if strings.ContainsRune(text, 0) || !utf8.ValidString(text) {
		return nil, refuse(text, "it is no valid text")
	}
	slashed := strings.ReplaceAll(text, `\`, "/")
	relative, err := s.relative(slashed, text)
	if err != nil {
		return nil, err
	}
	clean := path.Clean(relative)
	if clean == "." {
		return nil, nil
	}
	parts := strings.Split(clean, "/")
	switch {
	case parts[0] == "..":
		return nil, refuse(text, "it leads out of the home")
	case len(parts) > maxDepth:
		return nil, refuse(text, fmt.Sprintf("it is deeper than %d folders", maxDepth))
	case closed(parts[0]):
		return nil, refuse(text, fmt.Sprintf("%s and %s are closed to operators", home.StateFolder, home.WorkFolder))
	}
	if s.windows {
		for _, part := range parts {
			if why := windowsMeaning(part); why != "" {
				return nil, refuse(text, why)
			}
		}
	}
	return parts, nil
}

// relative strips the home from an absolute path.
func (s spelling) relative(slashed, text string) (string, error) {
	drive := s.windows && len(slashed) >= 2 && slashed[1] == ':'
	if !strings.HasPrefix(slashed, "/") && !drive {
		return slashed, nil
	}
	clean := path.Clean(slashed)
	for _, h := range s.homes {
		if s.equal(clean, h) {
			return ".", nil
		}
		h = strings.TrimSuffix(h, "/") + "/"
		if len(clean) > len(h) && s.equal(clean[:len(h)], h) {
			return clean[len(h):], nil
		}
	}
	return "", refuse(text, "it is outside the home")
}

func (s spelling) equal(a, b string) bool {
	return a == b || s.windows && strings.EqualFold(a, b)
}

// closed tells whether a file system might take name for one of the closed folders.
func closed(name string) bool {
	name = strings.TrimRight(name, ". ")
	return strings.EqualFold(name, home.StateFolder) || strings.EqualFold(name, home.WorkFolder)
}

// windowsMeaning says what Windows would make of a name other than a file of that name; empty if nothing.
func windowsMeaning(name string) string {
	if strings.TrimRight(name, ". ") != name {
		return "Windows drops dots and spaces at the end of a name"
	}
	if strings.ContainsAny(name, `<>:"|?*`) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' }) {
		return "Windows allows no such character in a name"
	}
	base, _, _ := strings.Cut(name, ".")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return "it names a device of Windows"
	}
	if port, ok := strings.CutPrefix(base, "COM"); ok && isPort(port) {
		return "it names a device of Windows"
	}
	if port, ok := strings.CutPrefix(base, "LPT"); ok && isPort(port) {
		return "it names a device of Windows"
	}
	return ""
}

// isPort knows the numbers of serial and parallel ports, also in superscript, as Windows does.
func isPort(s string) bool {
	return utf8.RuneCountInString(s) == 1 && strings.Contains("0123456789¹²³", s)
}
