//go:build !linux

package process

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

// readiness is nothing here: each stream is read by itself.
type readiness struct{}

func (*Pipes) prepare() error { return nil }

func (*readiness) close() {}

// Read passes on what arrives, each stream's to its writer, until both have ended or Stop is called. ended is called at the
// end of a stream. What both streams have is passed on in any order.
func (p *Pipes) Read(to [2]io.Writer, ended func(stream int)) {
	defer close(p.done)
	var both sync.WaitGroup
	for stream, w := range to {
		both.Go(func() { p.readOne(stream, w, ended) })
	}
	both.Wait()
}

func (p *Pipes) readOne(stream int, to io.Writer, ended func(stream int)) {
	buf := make([]byte, pipeBuffer)
	for {
		n, err := p.read[stream].Read(buf)
		if n > 0 {
			p.pass(to, buf[:n])
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		if err != nil {
			p.end(stream, ended)
			return
		}
	}
}

func (p *Pipes) interrupt() {
	for _, f := range p.read {
		_ = f.SetReadDeadline(time.Now())
	}
}
