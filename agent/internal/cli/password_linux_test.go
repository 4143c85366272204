package cli

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal opens a pseudo terminal: the side of the program, and that of the person.
func terminal(t *testing.T) (program, person *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("there is no pseudo terminal here: %v", err)
	}
	t.Cleanup(func() { _ = person.Close() })
	fd := int(person.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("there is no pseudo terminal here: %v", err)
	}
	t.Cleanup(func() { _ = program.Close() })
	return program, person
}

func echoes(t *testing.T, f *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

func waitFor(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

func TestAPasswordIsAskedForWithoutShowingIt(t *testing.T) {
	program, person := terminal(t)
	a := &app{in: program, err: program}
	type answer struct {
		text string
		err  error
	}
	ask := func(ctx context.Context) <-chan answer {
		done := make(chan answer, 1)
		go func() {
			text, err := a.askPassword(ctx, "Password", false)
			done <- answer{text, err}
		}()
		waitFor(t, "the terminal shows nothing", func() bool { return !echoes(t, program) })
		return done
	}
	done := ask(t.Context())
	if _, err := person.WriteString("geheim\n"); err != nil {
		t.Fatal(err)
	}
	if got := <-done; got.text != "geheim" || got.err != nil {
		t.Errorf("%q, %v", got.text, got.err)
	}
	shown := make([]byte, 100)
	n, err := person.Read(shown)
	if err != nil || strings.Contains(string(shown[:n]), "geheim") {
		t.Errorf("it shows %q, %v", shown[:n], err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done = ask(ctx)
	cancel()
	if got := <-done; got.err == nil || !strings.Contains(got.err.Error(), "interrupted") {
		t.Errorf("interrupted: %v", got.err)
	}
	if !echoes(t, program) {
		t.Error("an interrupted question leaves the terminal without echo")
	}
}
