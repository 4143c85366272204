package process

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync/atomic"
	"time"

	"github.com/mantledeploy/mantle/agent/internal/account"
)

// pipeBuffer is how much is read of a stream at a time, which is as much as a pipe of Linux holds.
const pipeBuffer = 64 << 10

// Pipes carry the two streams of a script to this process: 0 is its output, 1 its errors.
type Pipes struct {
	read, write [2]*os.File
	ready       readiness
	received    atomic.Int64
	ended       [2]atomic.Bool
	done        chan struct{}
}

// NewPipes makes two pipes that account a may open by their names too, as a script does with /dev/stderr.
func NewPipes(a *account.Account) (*Pipes, error) {
	p := &Pipes{done: make(chan struct{})}
	err := account.As(a, func() (err error) {
		for i := range p.read {
			if p.read[i], p.write[i], err = os.Pipe(); err != nil {
				return fmt.Errorf("making a pipe: %w", err)
			}
		}
		return nil
	})
	if err == nil {
		err = p.prepare()
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Attach makes the pipes the output of a process that is to be started.
func (p *Pipes) Attach(cmd *exec.Cmd) { cmd.Stdout, cmd.Stderr = p.write[0], p.write[1] }

// CloseWriters closes this process's own writing ends, so that a stream ends with the last process that has it.
func (p *Pipes) CloseWriters() {
	for _, f := range p.write {
		_ = f.Close() // a missing one too
	}
}

// Close closes all ends of pipes that are not read.
func (p *Pipes) Close() {
	p.CloseWriters()
	for _, f := range p.read {
		_ = f.Close() // a missing one too
	}
	p.ready.close()
}

// end closes a stream that has come to its end.
func (p *Pipes) end(stream int, ended func(stream int)) {
	p.ended[stream].Store(true)
	_ = p.read[stream].Close() // it was read to its end
	ended(stream)
}

// pass passes on what was read.
func (p *Pipes) pass(to io.Writer, data []byte) {
	p.received.Add(int64(len(data)))
	_, _ = to.Write(data) // never fails
}

// Received returns how many bytes were read.
func (p *Pipes) Received() int64 { return p.received.Load() }

// Done is closed when Read has returned.
func (p *Pipes) Done() <-chan struct{} { return p.done }

// Stop makes Read return, waits for that at most for patience, and returns the reading ends of the streams that have not
// ended. The caller closes them.
func (p *Pipes) Stop(patience time.Duration) (left []*os.File) {
	p.interrupt()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
	}
	for i, f := range p.read {
		if !p.ended[i].Load() {
			left = append(left, f)
		}
	}
	return left
}
