package deploy

import (
	"context"
	"io"

	"github.com/mantledeploy/mantle/api/archive"
)

// Limits bound what an archive may hold, whatever it says of itself. Zero fields take the default.
type Limits = archive.Limits

// countIn counts the compressed bytes that are read.
type countIn struct {
	r io.Reader
	g *archive.Gauge
}

func (c countIn) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.g.In(int64(n))
	return n, err
}

// countOut counts the uncompressed bytes that are read, and stops at the limits and when ctx ends.
type countOut struct {
	ctx context.Context
	r   io.Reader
	g   *archive.Gauge
}

func (c countOut) Read(p []byte) (int, error) {
	if err := context.Cause(c.ctx); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	if over := c.g.Out(int64(n)); over != nil {
		return 0, refuse("%w", over)
	}
	return n, err
}
