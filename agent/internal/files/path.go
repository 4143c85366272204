package files

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/mantledeploy/mantle/agent/internal/home"
	"github.com/mantledeploy/mantle/api/step"
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
	for _, part := range parts {
		if why := s.otherMeaning(part); why != "" {
			return nil, refuse(text, why)
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

// otherMeaning says what a file system might make of a name other than a file of that name; empty if nothing.
// Devices and endings that Windows drops are refused everywhere, as a name that was taken on one machine is
// sent to the next; characters that only Windows refuses are refused there.
func (s spelling) otherMeaning(name string) string {
	switch {
	case strings.TrimRight(name, ". ") != name:
		return "Windows drops dots and spaces at the end of a name"
	case step.ReservedName(name):
		return "it names a device of Windows"
	case s.windows && (strings.ContainsAny(name, `<>:"|?*`) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' })):
		return "Windows allows no such character in a name"
	}
	return ""
}
