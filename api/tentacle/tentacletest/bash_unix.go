//go:build unix

package tentacletest

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/mantledeploy/mantle/api/tentacle"
)

const (
	// drain is how long a script that has ended waits for output that a background process holds open.
	drain = 10 * time.Second
	// grace is between TERM and KILL.
	grace = 2 * time.Second
)

// Bash runs the ticket's body with the system's Bash in Work/<ticket> below Options.Root, as a real Tentacle
// does.
func Bash(ctx context.Context, e *Execution) int32 {
	code, err := bash(ctx, e)
	if err != nil {
		e.entry(tentacle.StdErr, "launching Bash: "+err.Error())
		return tentacle.ExitLaunchFailed
	}
	return code
}

func bash(ctx context.Context, e *Execution) (int32, error) {
	body := filepath.Join(e.Folder, "Bootstrap.sh")
	if err := writeFolder(e, body); err != nil {
		return 0, err
	}
	arguments := append([]string{body}, tentacle.SplitArguments(e.Command.Arguments)...)
	c := exec.Command("/bin/bash", arguments...)
	c.Dir = e.Folder
	c.Env = append(os.Environ(), e.machine.environment()...)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var readers sync.WaitGroup
	for source, stream := range map[tentacle.ProcessOutputSource]*io.Writer{
		tentacle.StdOut: &c.Stdout, tentacle.StdErr: &c.Stderr,
	} {
		r, w, err := os.Pipe()
		if err != nil {
			return 0, err
		}
		*stream = w
		defer w.Close()
		readers.Go(func() { pump(e, source, r) })
	}
	if err := c.Start(); err != nil {
		return 0, err
	}
	_ = c.Stdout.(*os.File).Close() //nolint:forcetypeassert // set above
	_ = c.Stderr.(*os.File).Close() //nolint:forcetypeassert // set above
	err := waitOrKill(ctx, c)
	done := make(chan struct{})
	go func() { readers.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(drain):
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exitCode(exit.ProcessState), nil
	}
	return 0, err
}

func exitCode(p *os.ProcessState) int32 {
	if s, ok := p.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		return 128 + int32(s.Signal())
	}
	return int32(p.ExitCode())
}

func writeFolder(e *Execution, body string) error {
	if err := os.MkdirAll(e.Folder, 0o700); err != nil {
		return err
	}
	for name, content := range e.Files {
		p := filepath.Join(e.Folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(p, content, 0o600); err != nil {
			return err
		}
	}
	text := strings.ReplaceAll(e.Command.BodyFor("linux"), "\r\n", "\n")
	return os.WriteFile(body, []byte(text), 0o600)
}

// waitOrKill waits for the script, and ends its whole group when it is cancelled.
func waitOrKill(ctx context.Context, c *exec.Cmd) error {
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	_ = syscall.Kill(-c.Process.Pid, syscall.SIGTERM)
	select {
	case err := <-ended:
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		return err
	case <-time.After(grace):
	}
	_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
	return <-ended
}

// pump makes entries of a stream until everyone who holds it has closed it. A line ends at \n, \r\n or a lone \r.
func pump(e *Execution, source tentacle.ProcessOutputSource, r *os.File) {
	defer r.Close()
	in := bufio.NewReaderSize(r, tentacle.MaxEntry)
	var held []byte
	for last := byte(0); ; {
		b, err := in.ReadByte()
		switch {
		case err != nil && len(held) > 0:
			e.entry(source, string(held))
			return
		case err != nil:
			return
		case b == '\n' && last == '\r':
		case b == '\n' || b == '\r':
			e.entry(source, string(held))
			held = held[:0]
		default:
			held = append(held, b)
			if len(held) < e.machine.longestLine() {
				break
			}
			whole := wholeRunes(held)
			e.entry(source, string(whole))
			held = append(held[:0], held[len(whole):]...)
		}
		last = b
	}
}

// wholeRunes leaves out a rune at the end of which only a part is there yet.
func wholeRunes(b []byte) []byte {
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if end := b[len(b)-i:]; utf8.RuneStart(end[0]) {
			if !utf8.FullRune(end) {
				return b[:len(b)-i]
			}
			break
		}
	}
	return b
}
