package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// readiness tells which streams have something to read, in the order in which that began: an edge-triggered epoll lists
// them so. It is a file of Go's own poller, so that waiting for it takes no thread.
type readiness struct {
	file    *os.File
	conn    syscall.RawConn
	streams [2]syscall.RawConn
	// over is set for a stream that nobody can write to any more: there is no other event before its end.
	over [2]bool
}

// prepare begins to watch the streams, before anything is written to them.
func (p *Pipes) prepare() error {
	err := p.ready.open()
	for i := range p.read {
		if err == nil {
			err = p.ready.add(i, p.read[i])
		}
	}
	if err != nil {
		return fmt.Errorf("watching a script's output: %w", err)
	}
	return nil
}

func (r *readiness) open() error {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	err = unix.SetNonblock(fd, true)
	r.file = os.NewFile(uintptr(fd), "epoll")
	if err == nil {
		err = r.file.SetReadDeadline(time.Time{}) // fails where Go's poller does not have it
	}
	if err == nil {
		r.conn, err = r.file.SyscallConn()
	}
	return err
}

func (r *readiness) add(stream int, file *os.File) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	r.streams[stream] = conn
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(stream)}
	var added, closed error
	gone := r.conn.Control(func(epoll uintptr) {
		closed = conn.Control(func(pipe uintptr) {
			added = unix.EpollCtl(int(epoll), unix.EPOLL_CTL_ADD, int(pipe), &event)
		})
	})
	return errors.Join(gone, closed, added)
}

func (r *readiness) close() {
	_ = r.file.Close() // a missing one too
}

// Read passes on what arrives, each stream's to its writer, until both have ended or Stop is called. ended is called at the
// end of a stream. One loop reads both, so that what one stream had before the other is passed on before it.
func (p *Pipes) Read(to [2]io.Writer, ended func(stream int)) {
	defer close(p.done)
	defer p.ready.close()
	buf := make([]byte, pipeBuffer)
	var queue []int
	for open := len(to); open > 0; {
		if !p.ready.wait(&queue) {
			return
		}
		stream := queue[0]
		queue = queue[1:]
		n, over := p.ready.read(stream, buf)
		if n > 0 {
			p.pass(to[stream], buf[:n])
		}
		switch {
		case over:
			p.end(stream, ended)
			open--
		case n > 0 && p.ready.over[stream]: // its end is next, and nothing will tell
			queue = slices.Insert(queue, 0, stream)
		case n == len(buf): // there may be more
			queue = append(queue, stream)
		}
	}
}

// wait adds the streams that have got something, in the order in which they did. Where the queue is empty it waits for one,
// and returns false if it was interrupted.
func (r *readiness) wait(queue *[]int) bool {
	var events [2]unix.EpollEvent
	n := 0
	err := r.conn.Read(func(fd uintptr) bool {
		n, _ = unix.EpollWait(int(fd), events[:], 0) // it waits for nothing, so that there is nothing to go wrong
		return n > 0 || len(*queue) > 0
	})
	if err != nil {
		return false
	}
	for _, e := range events[:max(n, 0)] {
		stream := int(e.Fd)
		r.over[stream] = r.over[stream] || e.Events&(unix.EPOLLHUP|unix.EPOLLERR) != 0
		if !slices.Contains(*queue, stream) {
			*queue = append(*queue, stream)
		}
	}
	return true
}

// read reads what a stream has, without waiting. Less than buf has room for is all that there was.
func (r *readiness) read(stream int, buf []byte) (n int, over bool) {
	var err error
	failed := r.streams[stream].Read(func(fd uintptr) bool {
		n, err = unix.Read(int(fd), buf)
		for errors.Is(err, unix.EINTR) {
			n, err = unix.Read(int(fd), buf)
		}
		return true
	})
	if errors.Is(err, unix.EAGAIN) {
		r.over[stream] = false // somebody opened it by its name
		return 0, false
	}
	return max(n, 0), failed != nil || err != nil || n == 0
}

func (p *Pipes) interrupt() { _ = p.ready.file.SetReadDeadline(time.Now()) }
