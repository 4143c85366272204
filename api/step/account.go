package step

import (
	"fmt"
	"strings"
)

// CheckUser tells what is wrong with the name of an account, without asking any machine for it. A number is
// refused: a machine would take it for the account of that number, and who reads or forbids a name would
// not know which one that is.
func CheckUser(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("is empty; write the name of an account")
	case len(name) > MaxUserSize:
		return fmt.Errorf("longer than %d bytes", MaxUserSize)
	case !isWord(strings.TrimSuffix(name, "$"), `_.-@\`) || strings.IndexByte("-.@", name[0]) >= 0:
		return fmt.Errorf("%q is no name of an account: it has letters, digits and _ . - @ \\ and begins with none of the last four but \\", name)
	case strings.Trim(name, "0123456789") == "":
		return fmt.Errorf("%q is a number; write the account's name", name)
	}
	return nil
}

// CheckWorkingDir tells what is wrong with the path of a folder, on whatever system it is. It must be
// absolute (/srv/app, C:\app, \\server\share) and have no part that is . or .., so that it means what it says.
func CheckWorkingDir(path string) error {
	slashed := strings.ReplaceAll(path, `\`, "/")
	drive := len(slashed) > 2 && isWord(slashed[:1], "") && slashed[1:3] == ":/"
	switch {
	case len(path) > MaxPathSize:
		return fmt.Errorf("longer than %d bytes", MaxPathSize)
	case strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return fmt.Errorf("%q has a control character", path)
	case !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, `\\`) && !drive:
		return fmt.Errorf("%q is not absolute; begin with / (on Windows with a drive, as C:\\)", path)
	}
	for part := range strings.SplitSeq(slashed, "/") {
		if part == "." || part == ".." {
			return fmt.Errorf("%q has a part %q; write the path without it", path, part)
		}
	}
	return nil
}
