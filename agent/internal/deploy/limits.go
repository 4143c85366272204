package deploy

import (
	"context"
	"io"
)

// Limits bound what an archive may hold, whatever it says of itself. Zero fields take the default.
type Limits struct {
	// Bytes is the most that all files have together, unpacked, and the most that the archive has.
	Bytes int64
	// Entries is the most that the archive lists.
	Entries int
	// Ratio is how many times the compressed size the uncompressed may be, from RatioFrom bytes on.
	Ratio     int64
	RatioFrom int64
}

func (l Limits) orDefault() Limits {
	if l.Bytes == 0 {
		l.Bytes = 32 << 30
	}
	if l.Entries == 0 {
		l.Entries = 200_000
	}
	if l.Ratio == 0 {
		l.Ratio = 200
	}
	if l.RatioFrom == 0 {
		l.RatioFrom = 256 << 20
	}
	return l
}

// gauge counts what went in and what came out, and stops a bomb while it goes off.
type gauge struct {
	limits  Limits
	in, out int64
}

func (g *gauge) add(n int) error {
	g.out += int64(n)
	switch {
	case g.out > g.limits.Bytes:
		return refuse("the archive unpacks to more than %d bytes", g.limits.Bytes)
	case g.out > g.limits.RatioFrom && g.out/g.limits.Ratio > g.in:
		return refuse("the archive unpacks to more than %d times its size", g.limits.Ratio)
	}
	return nil
}

// countIn counts the compressed bytes that are read.
type countIn struct {
	r io.Reader
	g *gauge
}

func (c countIn) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.g.in += int64(n)
	return n, err
}

// countOut counts the uncompressed bytes that are read, and stops at the limits and when ctx ends.
type countOut struct {
	ctx context.Context
	r   io.Reader
	g   *gauge
}

func (c countOut) Read(p []byte) (int, error) {
	if err := context.Cause(c.ctx); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	if over := c.g.add(n); over != nil {
		return 0, over
	}
	return n, err
}

// boundedAt refuses to read more than left bytes in all, as long as it is closed.
type boundedAt struct {
	r    io.ReaderAt
	left int64
	open bool
}

func (b *boundedAt) ReadAt(p []byte, off int64) (int, error) {
	if !b.open {
		b.left -= int64(len(p))
		if b.left < 0 {
			return 0, refuse("the archive's list of files is too long")
		}
	}
	return b.r.ReadAt(p, off)
}
