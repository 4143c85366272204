package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// maxPassword bounds a password file, in bytes.
const maxPassword = 4 << 10

// passwordFlag is the help of every --password-file.
const passwordFlag = "`file` whose first line is the password, or - for standard input; without it the password is asked for on a terminal" // #nosec G101 -- a help text

// errNoTerminal says that nobody can be asked.
var errNoTerminal = usageError{errors.New("a password is needed, and there is no terminal to ask on; write it to a file that only you can read and name that with --password-file, or pipe it in with --password-file -")}

// errInterrupted ends a question.
var errInterrupted = errors.New("interrupted; nothing was changed")

// passwordFrom reads a password from the file that --password-file names.
func (a *app) passwordFrom(file string) (string, error) {
	var data []byte
	var err error
	if file == "-" {
		if data, err = io.ReadAll(io.LimitReader(a.in, maxPassword+1)); err == nil && len(data) > maxPassword {
			err = fmt.Errorf("longer than %d bytes", maxPassword)
		}
		if err != nil {
			return "", fmt.Errorf("reading the password (--password-file %s): %w", file, err)
		}
	} else if data, err = readGiven("--password-file", file, maxPassword); err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(data), "\n")
	return strings.TrimSuffix(line, "\r"), nil
}

// askPassword asks for a password on the terminal, twice where it is to be chosen. It ends with ctx, and then
// leaves the terminal as it was.
func (a *app) askPassword(ctx context.Context, prompt string, choose bool) (string, error) {
	in, ok := a.in.(*os.File)
	if !ok {
		return "", errNoTerminal
	}
	terminal := int(in.Fd())
	if !term.IsTerminal(terminal) {
		return "", errNoTerminal
	}
	before, err := term.GetState(terminal)
	if err != nil {
		return "", fmt.Errorf("preparing the terminal: %w", err)
	}
	type answer struct {
		text string
		err  error
	}
	ask := func(prompt string) (string, error) {
		fmt.Fprintf(a.err, "%s: ", prompt)
		done := make(chan answer, 1)
		go func() { // a read of a terminal cannot be stopped; it ends with the command
			text, err := term.ReadPassword(terminal)
			done <- answer{string(text), err}
		}()
		select {
		case got := <-done:
			fmt.Fprintln(a.err)
			return got.text, got.err
		case <-ctx.Done():
			fmt.Fprintln(a.err)
			return "", errors.Join(errInterrupted, term.Restore(terminal, before))
		}
	}
	first, err := ask(prompt)
	if err != nil || !choose {
		return first, err
	}
	second, err := ask("the same again")
	if err == nil && first != second {
		err = usageError{errors.New("the two passwords differ; nothing was written, so try again")}
	}
	return first, err
}
