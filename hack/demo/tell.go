package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
)

// teller prints the story: titles, what a user types, what they see, and a line that changes while something goes on.
type teller struct {
	mu    sync.Mutex
	out   io.Writer
	tty   bool
	live  bool
	shown string
}

func newTeller(out *os.File) *teller {
	info, err := out.Stat()
	return &teller{out: out, tty: err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == ""}
}

func (t *teller) paint(code, text string) string {
	if !t.tty {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (t *teller) print(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.live {
		fmt.Fprint(t.out, "\r\x1b[K")
		t.live = false
	}
	fmt.Fprintln(t.out, text)
}

func (t *teller) title(format string, args ...any) {
	t.print("\n" + t.paint("1;36", "━━ "+fmt.Sprintf(format, args...)))
}

func (t *teller) line(format string, args ...any) { t.print(fmt.Sprintf(format, args...)) }

func (t *teller) good(format string, args ...any) {
	t.print(t.paint("32", "✔ ") + fmt.Sprintf(format, args...))
}

func (t *teller) done(format string, args ...any) {
	t.print("\n" + t.paint("1;32", fmt.Sprintf(format, args...)))
}

// command shows what a user would type, and what they would see.
func (t *teller) command(typed, seen string) {
	t.print(t.paint("1", "$ "+typed))
	if seen = strings.TrimRight(seen, "\n"); seen != "" {
		t.print(seen)
	}
}

// progress shows how far something is. On a terminal it is one line that changes; elsewhere each new text is a line.
func (t *teller) progress(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if text == t.shown {
		return
	}
	t.shown = text
	if !t.tty {
		fmt.Fprintln(t.out, "  … "+text)
		return
	}
	fmt.Fprint(t.out, "\r\x1b[K\x1b[33m  … "+text+"\x1b[0m")
	t.live = true
}
