package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// widest is how many characters of a live line are shown, so that it fits a terminal.
const widest = 78

// spinner is drawn one after the other, to show that something goes on.
var spinner = [...]string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}

// teller prints the story: titles, what a user types, what they see, and a line that changes while something goes on.
// It may be used by many goroutines at once.
type teller struct {
	mu     sync.Mutex
	out    io.Writer
	tty    bool
	live   bool // a live line is on the screen
	drawn  int
	since  time.Time // when the wait began that the live line is about
	shown  string    // what was said last
	detail string    // how far it is, for a terminal only
}

func newTeller(out *os.File) *teller {
	info, err := out.Stat()
	tty := err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return &teller{out: out, tty: tty}
}

func (t *teller) paint(code, text string) string {
	if !t.tty {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// print prints a line in place of the live one.
func (t *teller) print(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.live {
		fmt.Fprint(t.out, "\r\x1b[K")
	}
	t.live, t.since, t.detail = false, time.Time{}, ""
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

// progress shows what is waited for. On a terminal it is one line that changes, also when the text does not; elsewhere
// each new text is a line.
func (t *teller) progress(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.tty {
		if text != "" && text != t.shown {
			fmt.Fprintln(t.out, "  … "+text)
			t.shown = text
		}
		return
	}
	t.shown = text
	t.draw()
}

// steps shows on a terminal how far the steps are; elsewhere that would be many lines.
func (t *teller) steps(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.detail = text; t.tty && t.live {
		t.draw()
	}
}

// draw draws the live line anew.
func (t *teller) draw() {
	if t.since.IsZero() {
		t.since = time.Now()
	}
	text := t.shown
	if t.detail != "" {
		text = t.detail
	}
	t.drawn++
	line := []rune(fmt.Sprintf("%s %.0fs  %s", spinner[t.drawn%len(spinner)], time.Since(t.since).Seconds(), text))
	fmt.Fprint(t.out, "\r\x1b[K\x1b[33m"+string(line[:min(len(line), widest)])+"\x1b[0m")
	t.live = true
}
